package local

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"aksid/internal/azure"
)

// metadataHost is where every Azure machine finds its instance metadata service.
const metadataHost = "169.254.169.254"

// Proxy is an HTTP proxy for programs that shall see the local Azure as Azure and nothing else of the world:
// it tunnels the host names that the local Azure serves and those of API servers that run for its clusters, answers the instance metadata address as one machine's,
// and refuses everything else.
type Proxy struct {
	Azure   *Azure
	Machine azure.ID          // zero: programs run on no machine that has an identity
	Refused func(host string) // told of every host that was asked for and refused
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	own := !r.URL.IsAbs() && strings.HasPrefix(r.URL.Path, "/metadata/") // AZURE_POD_IDENTITY_AUTHORITY_HOST
	switch {
	case r.Method == http.MethodConnect:
		p.connect(w, r)
	case own, r.URL.Hostname() == metadataHost:
		p.metadata(w, r)
	default:
		p.refuse(w, r.Host, elsewhere)
	}
}

func (p *Proxy) metadata(w http.ResponseWriter, r *http.Request) {
	if p.Machine.IsZero() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest) // as IMDS says it; clients retry 404 for minutes
		io.WriteString(w, `{"error":"invalid_request","error_description":"Identity not found"}`)
		return
	}
	p.Azure.forward(func(r *httputil.ProxyRequest) {
		r.SetURL(p.Azure.imds(p.Machine))
		r.Out.Header.Set(AdminHeader, p.Azure.AdminKey)
	}).ServeHTTP(w, r)
}

func (a *Azure) forward(rewrite func(*httputil.ProxyRequest)) http.Handler {
	return &httputil.ReverseProxy{Transport: a.client.Transport, Rewrite: rewrite,
		ErrorLog: log.New(io.Discard, "", 0)} // the client is told
}

// Forward hands requests on to Resource Manager and Entra, each to where place says that its path leads.
func (a *Azure) Forward(place func(path string) string) http.Handler {
	at := &url.URL{Scheme: "https", Host: strings.TrimPrefix(a.URL, "https://")}
	return a.forward(func(r *httputil.ProxyRequest) {
		r.Out.URL.Path, r.Out.URL.RawPath = place(r.In.URL.Path), ""
		r.SetURL(at)
	})
}

func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	addr, why := p.lookUp(r.Host)
	if why != "" {
		p.refuse(w, r.Host, why)
		return
	}
	server, err := net.Dial("tcp", addr)
	if err != nil {
		http.Error(w, "the local Azure has stopped, or the cluster's control plane", http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	splice(server, client, buffered)
}

// lookUp is where a host that the local Azure serves really is, or a cluster's API server; or why it cannot be reached.
func (p *Proxy) lookUp(hostPort string) (addr, why string) {
	host, port, err := net.SplitHostPort(hostPort)
	_, own, _ := net.SplitHostPort(p.Azure.Addr)
	switch {
	case err != nil:
		return "", elsewhere
	case p.Azure.Serves(host) && (port == "443" || port == own):
		return p.Azure.Addr, ""
	case !strings.HasSuffix(strings.ToLower(host), ServerSuffix) || port != "443":
		return "", elsewhere
	}
	plane, ok := p.Azure.Plane(host)
	if !ok {
		return "", noPlane
	}
	return plane.Addr, ""
}

// Why something cannot be reached.
const (
	elsewhere = "not part of the local Azure; nothing else can be reached from here"
	noPlane   = "no control plane runs for this cluster; start one with aksid kubernetes CLUSTER"
)

// splice copies both ways until either side ends.
func splice(server, client net.Conn, fromClient io.Reader) {
	done := make(chan struct{}, 2)
	go func() { io.Copy(server, fromClient); done <- struct{}{} }()
	go func() { io.Copy(client, server); done <- struct{}{} }()
	<-done
}

// refuse answers with the reason in the status line too: of a refused CONNECT most clients print nothing else.
func (p *Proxy) refuse(w http.ResponseWriter, host, why string) {
	if p.Refused != nil {
		p.Refused(host)
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 403 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n", why, len(why)+1, why)
}
