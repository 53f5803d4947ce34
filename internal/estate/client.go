package estate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"aksid/internal/azure"
	azpolicy "aksid/internal/policy"
)

// module names this program in the User-Agent of its requests.
const module = "aksid"

// maxParallel bounds the requests under way at once, so that ARM's throttling is not provoked.
const maxParallel = 16

// maxPages bounds a listing; ARM answers 100 to 1,000 items a page.
const maxPages = 10_000

// client reads ARM and Microsoft Graph through the pipelines of the Azure SDK: its retries, clouds and credentials.
// The answers are decoded by this package and not by the SDK's typed clients, so that live answers, files, plans and
// templates all go through the same parsing, and no member is lost that a typed model does not know yet.
type client struct {
	arm, graph         runtime.Pipeline
	armBase, graphBase string
	gate               chan struct{}
	began              atomic.Pointer[time.Time] // by the clock of who answers: the time of the first answer
}

func newClient(c azure.Cloud, cred azcore.TokenCredential, transport policy.Transporter) (*client, error) {
	common := policy.ClientOptions{Transport: transport, Cloud: configuration(c)}
	// Reading needs no provider registration, and must not cause any.
	a, err := arm.NewClient(module, "v1.0.0", cred, &arm.ClientOptions{ClientOptions: common, DisableRPRegistration: true})
	if err != nil {
		return nil, err
	}
	bearer := runtime.NewBearerTokenPolicy(cred, []string{c.Graph + "/.default"}, nil)
	graph := runtime.NewPipeline(module, "v1.0.0", runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}}, &common)
	return &client{arm: a.Pipeline(), graph: graph, armBase: c.ARM, graphBase: c.Graph, gate: make(chan struct{}, maxParallel)}, nil
}

// configuration is the cloud in the Azure SDK's terms.
func configuration(c azure.Cloud) cloud.Configuration {
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: c.Authority,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: c.ARM, Audience: c.Audience},
		},
	}
}

// versions are the api-versions that types are read with, the preferred one first: stable ones.
// A cloud that does not know the first is asked with the next.
var versions = map[string][]string{
	"microsoft.authorization/locks":            {"2020-05-01"},
	strings.ToLower(azpolicy.TypeDefinition):   {"2023-04-01", "2021-06-01"},
	strings.ToLower(azpolicy.TypeSet):          {"2023-04-01", "2021-06-01"},
	strings.ToLower(azpolicy.TypeAssignment):   {"2023-04-01", "2021-06-01"},
	strings.ToLower(azpolicy.TypeExemption):    {"2022-07-01-preview", "2020-07-01-preview"},
	"microsoft.authorization/permissions":      {"2022-04-01"},
	"microsoft.authorization":                  {"2022-04-01"},
	strings.ToLower(typeEligible):              {"2020-10-01"},
	strings.ToLower(typeActive):                {"2020-10-01"},
	strings.ToLower(TypeEligibleRequest):       {"2020-10-01"},
	strings.ToLower(TypeActiveRequest):         {"2020-10-01"},
	strings.ToLower(TypePIMPolicy):             {"2020-10-01"},
	"microsoft.containerservice":               {"2025-05-01", "2025-02-01"},
	"microsoft.containerregistry":              {RegistryVersion, "2023-07-01"},
	"microsoft.managedidentity":                {"2023-01-31"},
	"microsoft.network":                        {"2024-05-01"},
	"microsoft.network/dnszones":               {"2018-05-01"},
	"microsoft.network/privatednszones":        {"2020-06-01"},
	"microsoft.compute":                        {"2024-11-01"},
	"microsoft.compute/diskencryptionsets":     {"2024-03-02"},
	"microsoft.resources/subscriptions":        {"2022-12-01"},
	strings.ToLower(azure.TypeResourceGroup):   {"2021-04-01"},
	"microsoft.operationalinsights/workspaces": {"2023-09-01"},
	"microsoft.keyvault/vaults":                {"2023-07-01"},
}

// versionsOf finds the api-versions of a type, or of its provider.
func versionsOf(typ string) []string {
	key := strings.ToLower(typ)
	for {
		if v, ok := versions[key]; ok {
			return v
		}
		cut := strings.LastIndexByte(key, '/')
		if cut < 0 {
			return nil
		}
		key = key[:cut]
	}
}

// get reads one ARM resource and says which api-version answered.
func (c *client) get(ctx context.Context, id azure.ID) (doc map[string]any, version string, err error) {
	err = eachVersion(id.Type(), func(v string) error {
		version = v
		doc, err = c.do(ctx, c.arm, http.MethodGet, c.armBase+escapePath(id.String())+"?api-version="+v, nil)
		return err
	})
	return doc, version, err
}

// list reads all pages of an ARM collection below a scope. filter is OData, or "".
func (c *client) list(ctx context.Context, scope azure.ID, typ, filter string) (docs []map[string]any, version string, err error) {
	return c.collection(ctx, scope.Join("providers", typ), typ, filter)
}

// children reads all pages of a collection inside a resource.
func (c *client) children(ctx context.Context, parent azure.ID, name string) (docs []map[string]any, version string, err error) {
	return c.collection(ctx, parent.Join(name), parent.Type()+"/"+name, "")
}

func (c *client) collection(ctx context.Context, path azure.ID, typ, filter string) (docs []map[string]any, version string, err error) {
	base := c.armBase + escapePath(path.String())
	err = eachVersion(typ, func(v string) error {
		query := url.Values{"api-version": {v}}
		if filter != "" {
			query.Set("$filter", filter)
		}
		version = v
		docs, err = c.pages(ctx, base+"?"+query.Encode())
		return err
	})
	return docs, version, err
}

func eachVersion(typ string, read func(version string) error) error {
	err := fmt.Errorf("no api-version is known for %q", typ)
	for _, v := range versionsOf(typ) {
		if err = read(v); !isUnknownVersion(err) {
			return err
		}
	}
	return err
}

func isUnknownVersion(err error) bool {
	var e *azcore.ResponseError
	return errors.As(err, &e) && (e.ErrorCode == "NoRegisteredProviderFound" || e.ErrorCode == "InvalidResourceType" ||
		e.ErrorCode == "InvalidApiVersionParameter")
}

// pages reads all pages of a collection of ARM.
func (c *client) pages(ctx context.Context, next string) ([]map[string]any, error) {
	return c.follow(ctx, c.arm, next, c.armBase, "nextLink")
}

// follow reads a collection page by page; link is the member that names the next one, which must be at the same base.
func (c *client) follow(ctx context.Context, p runtime.Pipeline, next, base, link string) ([]map[string]any, error) {
	var out []map[string]any
	for n := 0; next != ""; n++ {
		if n == maxPages {
			return nil, fmt.Errorf("a listing has more than %d pages", maxPages)
		}
		page, err := c.do(ctx, p, http.MethodGet, next, nil)
		if err != nil {
			return nil, err
		}
		for _, v := range listAt(page, "value") {
			if doc, ok := v.(map[string]any); ok {
				out = append(out, doc)
			}
		}
		if next, _ = page[link].(string); next != "" && !sameOrigin(next, base) {
			return nil, fmt.Errorf("the next page is said to be at %q, which is not %s", next, base)
		}
	}
	return out, nil
}

// sameOrigin keeps the token from being sent to another host.
func sameOrigin(link, base string) bool {
	a, err := url.Parse(link)
	b, err2 := url.Parse(base)
	return err == nil && err2 == nil && a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// do sends one request through a pipeline and decodes the answer, nil where there is none. A refusal is an
// *azcore.ResponseError.
func (c *client) do(ctx context.Context, p runtime.Pipeline, method, target string, body any) (map[string]any, error) {
	select {
	case c.gate <- struct{}{}:
		defer func() { <-c.gate }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	req, err := runtime.NewRequest(ctx, method, target)
	if err != nil {
		return nil, err
	}
	if body != nil {
		if err := runtime.MarshalAsJSON(req, body); err != nil {
			return nil, err
		}
	}
	req.Raw().Header.Set("Accept", "application/json")
	runtime.SkipBodyDownload(req) // decode bounds what is read
	resp, err := p.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if at, err := serverTime(resp); err == nil && c.began.Load() == nil {
		c.began.CompareAndSwap(nil, &at)
	}
	switch {
	case resp.StatusCode >= http.StatusMultipleChoices:
		resp.Body = io.NopCloser(io.LimitReader(resp.Body, 1<<20))
		return nil, runtime.NewResponseError(resp)
	case method == http.MethodDelete || resp.StatusCode == http.StatusNoContent:
		return nil, nil
	}
	return document(resp.Body)
}

func document(r io.Reader) (map[string]any, error) {
	v, err := decode(r)
	if err != nil {
		return nil, err
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the answer is no JSON object")
	}
	return doc, nil
}

// escapePath escapes the segments of an id for a URL.
func escapePath(id string) string { return (&url.URL{Path: id}).EscapedPath() }
