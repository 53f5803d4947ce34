package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/go-autorest/tracing"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// Azure is the local Azure as the code of Kubernetes sees it: it carries every request that this code makes.
//
// Each client has an address of its own, which is Resource Manager's and its audience in one, so that a request for a
// token, which names no client where the identity is the machine's own, says who asks: several clusters can run in one
// process, and every answer is known to belong to one of them.
type Azure struct {
	local   *local.Azure
	mu      sync.Mutex
	next    int
	clients map[string]*client // by host name, and by token once there is one
}

// client is one identity's view of Azure.
type client struct {
	host    string
	machine string              // whose metadata service it asks
	place   func(string) string // where a path really leads
	record  *record
}

const domain = ".drill.invalid"

// Connect makes a local Azure the one that all code of Kubernetes in this process reaches; nothing else is reached.
func Connect(az *local.Azure) *Azure {
	setUp()
	a := &Azure{local: az, clients: map[string]*client{}}
	tracing.Register(tracer{a})
	registryClient = &http.Client{Transport: a, Timeout: time.Minute}
	return a
}

// tracer is the door that the Azure SDK has for a transport.
type tracer struct{ *Azure }

func (t tracer) NewTransport(*http.Transport) http.RoundTripper        { return t.Azure }
func (tracer) StartSpan(ctx context.Context, _ string) context.Context { return ctx }
func (tracer) EndSpan(_ context.Context, _ int, _ error)               {}

// join makes a client.
func (a *Azure) join(machine string, place func(string) string, r *record) *client {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	c := &client{strconv.Itoa(a.next) + domain, machine, place, r}
	a.clients[c.host] = c
	return c
}

// leave forgets a client.
func (a *Azure) leave(gone *client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, c := range a.clients {
		if c == gone {
			delete(a.clients, key)
		}
	}
}

func (a *Azure) client(key string) *client {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clients[key]
}

// endpoint is where a client finds Resource Manager and, for service principals, Entra.
func (c *client) endpoint() string { return "https://" + c.host + "/" }

// RoundTrip implements http.RoundTripper.
func (a *Azure) RoundTrip(r *http.Request) (*http.Response, error) {
	const metadata = "169.254.169.254"
	switch host := r.URL.Hostname(); {
	case host == metadata:
		return a.machineToken(r)
	case strings.HasSuffix(host, domain):
		c := a.client(host)
		if c == nil {
			return nil, fmt.Errorf("the cluster of %s was closed", host)
		}
		return a.resourceManager(r, c)
	}
	return a.send(r, r.URL.Host, a.client(bearer(r)))
}

// bearer is the token of a request.
func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// machineToken asks the metadata service of the machine that the client runs on.
func (a *Azure) machineToken(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	audience, err := url.Parse(query.Get("resource"))
	if err != nil {
		return nil, err
	}
	c := a.client(audience.Hostname())
	if c == nil {
		return nil, fmt.Errorf("no cluster asks for a token for %s", audience)
	}
	query.Set("resource", a.local.Cloud().Audience)
	out := r.Clone(r.Context())
	out.URL = &url.URL{Path: local.AdminPath + "/imds" + c.machine + r.URL.Path, RawQuery: query.Encode()}
	out.Header.Set(local.AdminHeader, a.local.AdminKey)
	return a.token(out, c)
}

// resourceManager answers for the address of a client.
func (a *Azure) resourceManager(r *http.Request, c *client) (*http.Response, error) {
	out := r.Clone(r.Context())
	switch path := r.URL.Path; {
	case path == "/metadata/endpoints":
		return answer(r, map[string]any{"galleryEndpoint": "", "graphEndpoint": c.endpoint(), "portalEndpoint": "",
			"authentication": map[string]any{"loginEndpoint": c.endpoint(), "audiences": []string{c.endpoint()}}})
	case strings.HasSuffix(path, "/oauth2/token"):
		if err := a.setAudience(out); err != nil {
			return nil, err
		}
		return a.token(out, c)
	}
	out.URL.Path = c.place(r.URL.Path)
	out.URL.RawPath = ""
	return a.send(out, a.home(), c)
}

// setAudience writes the local Azure's audience into a request of a service principal.
func (a *Azure) setAudience(r *http.Request) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return err
	}
	form.Set("resource", a.local.Cloud().Audience)
	body := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return nil
}

func answer(r *http.Request, v any) (*http.Response, error) {
	b, err := json.Marshal(v)
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(b)), Body: io.NopCloser(bytes.NewReader(b))}, err
}

// home is the local Azure's own host and port.
func (a *Azure) home() string { return strings.TrimPrefix(a.local.URL, "https://") }

// token sends a request for a token and notes whose it is.
func (a *Azure) token(r *http.Request, c *client) (*http.Response, error) {
	resp, err := a.send(r, a.home(), c)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := reread(resp)
	var got struct {
		Token string `json:"access_token"`
	}
	if err == nil && json.Unmarshal(body, &got) == nil && got.Token != "" {
		a.mu.Lock()
		a.clients[got.Token] = c
		a.mu.Unlock()
	}
	return resp, err
}

// send sends a request to a host of the local Azure and notes a refusal. A registry's token exchange names its client
// by the token in its form.
func (a *Azure) send(r *http.Request, host string, c *client) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.Host = "https", host, host
	if c == nil && r.Method == http.MethodPost && r.Body != nil {
		form, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		out.Body = io.NopCloser(bytes.NewReader(form))
		if values, err := url.ParseQuery(string(form)); err == nil {
			c = a.client(values.Get("access_token"))
		}
	}
	if c != nil {
		c.record.flies(1)
		defer c.record.flies(-1)
	}
	resp, err := a.local.Client().Transport.RoundTrip(out)
	if err != nil || c == nil {
		return resp, err
	}
	return resp, c.record.answered(out, resp)
}

// reread is an answer's body, which can be read again.
func reread(resp *http.Response) ([]byte, error) {
	const most = 4 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// clusterID reads the id of a cluster.
func clusterID(s string) (azure.ID, error) {
	const typ = "Microsoft.ContainerService/managedClusters"
	id, err := azure.ParseID(s)
	if err == nil && !strings.EqualFold(id.Type(), typ) {
		err = fmt.Errorf("%s is not the id of a cluster", s)
	}
	return id, err
}

// refusal is an answer as act has it.
func refusal(r *http.Request, status int, body []byte) act.Refusal {
	out := act.Refusal{Method: r.Method, Path: r.URL.Path, Status: status}
	if json.Valid(body) {
		out.Body = body
	}
	return out
}

// registry carries the requests of a cluster's container runtime.
type registry struct{ *Cluster }

func (r registry) RoundTrip(req *http.Request) (*http.Response, error) {
	who := r.control
	if r.kubelet != nil {
		who = r.kubelet
	}
	return r.azure.send(req, req.URL.Host, who)
}
