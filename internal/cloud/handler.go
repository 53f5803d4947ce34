package cloud

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"aksid/internal/cloud/dataplane"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/entra"
)

// Handler serves every host of the local Azure.
func (cl *Cloud) Handler() http.Handler {
	graph, metadata, admin, issuers := cl.entra.Handler(), cl.entra.Metadata(), cl.admin(), cl.entra.Issuers()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		w.Header().Set("Date", cl.clock.now().UTC().Format(http.TimeFormat)) // the clock can be moved
		host := hostName(r.Host)
		if !answers(host) {
			// Also what a browser sends that was led here under a foreign name.
			http.Error(w, "the local Azure does not answer for "+host, http.StatusMisdirectedRequest)
			return
		}
		if dataplane.Serves(host) {
			cl.data.ServeHTTP(w, r)
			return
		}
		if strings.HasSuffix(host, directory.IssuerSuffix) {
			issuers.ServeHTTP(w, r)
			return
		}
		r = clean(r)
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, adminPath):
			admin.ServeHTTP(w, r)
		case strings.EqualFold(strings.TrimSuffix(path, "/"), "/metadata/endpoints"):
			metadata.ServeHTTP(w, r)
		case host == "login.microsoftonline.com", host == "graph.microsoft.com", entra.Serves(path):
			graph.ServeHTTP(w, r)
		default:
			cl.arm.ServeHTTP(w, r)
		}
	})
}

func hostName(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.Trim(hostPort, "[]")
	}
	return strings.ToLower(host)
}

func answers(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	for _, h := range Hosts {
		if suffix, wild := strings.CutPrefix(h, "*"); host == h || wild && strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// clean drops the double slashes that clients send (az-cli: //metadata/endpoints, …//registries/acr1).
func clean(r *http.Request) *http.Request {
	path := r.URL.Path
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if path == r.URL.Path {
		return r
	}
	c := r.Clone(r.Context())
	c.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
	return c
}
