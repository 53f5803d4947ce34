package drill

import (
	"encoding/json"
	"net"
	"net/http"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// door is where a control plane finds Azure: a loopback address that is Resource Manager, Entra, and a proxy to the
// metadata service of the cluster.
type door struct {
	*http.Server
	url string
}

func openDoor(az *local.Azure, c act.Cluster) (*door, error) {
	machine, err := azure.ParseID(c.Machine)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{url: "http://" + l.Addr().String() + "/"}
	forward := az.Forward(c.Place)
	metadata := &local.Proxy{Azure: az, Machine: machine}
	d.Server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.IsAbs():
			metadata.ServeHTTP(w, r)
		case r.URL.Path == "/metadata/endpoints": // as clients of that age ask
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(doc{"galleryEndpoint": "", "graphEndpoint": d.url, "portalEndpoint": "",
				"authentication": doc{"loginEndpoint": d.url, "audiences": []string{az.Cloud().Audience}}})
		default:
			forward.ServeHTTP(w, r)
		}
	})}
	go d.Serve(l)
	return d, nil
}
