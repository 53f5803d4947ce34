package drill

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// door is where a control plane finds Azure: a loopback address that is Resource Manager, Entra, and a proxy to the
// metadata service of the cluster. The API server's webhooks are here too.
type door struct {
	*http.Server
	azure   *local.Azure
	cluster azure.ID
	url     string
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
	cluster, err := azure.ParseID(c.ID)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	d := &door{azure: az, cluster: cluster, url: "http://" + l.Addr().String() + "/"}
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
		case r.URL.Path == "/"+usersPath:
			d.reviewToken(w, r)
		case r.URL.Path == "/"+accessPath:
			d.reviewAccess(w, r)
		default:
			forward.ServeHTTP(w, r)
		}
	})}
	go d.Serve(l)
	return d, nil
}
