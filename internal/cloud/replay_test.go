package cloud_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// recording is the calls to Resource Manager that succeeded in a test.
type recording struct {
	mu    sync.Mutex
	seen  map[string]bool
	calls []recordedCall
	off   bool // the test makes the door misbehave
}

type recordedCall struct{ method, path, body string }

// maxReplayed bounds what is replayed after one test.
const maxReplayed = 400

func (r *recording) add(req *http.Request, body string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := req.Method + " " + strings.ToLower(req.URL.Path)
	if r.off || status > 299 || req.Host != host || !strings.HasPrefix(strings.ToLower(req.URL.Path), "/subscriptions/") && !strings.HasPrefix(req.URL.Path, "/providers/") ||
		r.seen[key] || len(r.calls) == maxReplayed {
		return
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[key] = true
	r.calls = append(r.calls, recordedCall{req.Method, req.URL.RequestURI(), body})
}

// trimmed are the calls that Azure answers everybody: lists that show what the caller may read, and what is open to all.
var trimmed = regexp.MustCompile(`(?i)^(GET /subscriptions/[^/]+/(resourcegroups|resources)(\?|$)` +
	`|GET /subscriptions/[^/]+/resourcegroups/[^/]+/resources(\?|$)` +
	`|POST /providers/Microsoft.ResourceGraph/resources` +
	`|PUT /providers/Microsoft.Management/managementGroups/[^/?]+(\?|$)` +
	`|GET /providers/Microsoft.Management/managementGroups(\?|$)` +
	`|POST /providers/Microsoft.Management/(getEntities|checkNameAvailability)(\?|$)` +
	`|GET /providers/Microsoft.Authorization/(providerOperations|policyDefinitions|roleDefinitions)` +
	`|GET /providers/[^/]+/operations(\?|$)` +
	`|GET [^?]+/Microsoft.Authorization/eligibleChildResources` +
	`|GET [^?]+/Microsoft.Authorization/role[^?]+\?.*as(Target|Requestor|Approver)\(\)` +
	`|GET /subscriptions/[^/?]+(\?|$))`)

// replay makes every call that succeeded in a test once more, as a principal that has no role anywhere: each of them is
// refused, naming an action and a scope, whatever the type.
func (w *world) replay() {
	w.recorded.mu.Lock()
	calls := w.recorded.calls
	w.recorded.off = true
	w.recorded.mu.Unlock()
	if len(calls) == 0 || w.Failed() || w.operator.get("/subscriptions").status >= 500 { // a closed one
		return
	}
	secret, app := w.secret()
	w.operator.token = w.login(app, secret) // the clock may have been moved
	nobody := w.application("nobody-replays")
	for _, c := range calls {
		if trimmed.MatchString(c.method + " " + c.path) {
			continue
		}
		r := httptest.NewRequest(c.method, "https://"+host+c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+nobody.token)
		got := w.serve(r)
		path, _ := url.PathUnescape(c.path)
		switch code := got.str("error.code"); {
		case got.status == 403 && code == "AuthorizationFailed" && strings.Contains(got.str("error.message"), nobody.id):
		case got.status == 400 && code == "InsufficientPermissions" && strings.Contains(got.str("error.message"), nobody.id): // PIM's refusal
		case got.status == 403 && (code == "DenyAssignmentAuthorizationFailed" || c.method == http.MethodHead):
		case got.status == 404 && code == "NotFound" && strings.Contains(strings.ToLower(path), "/operation"): // it is long over
		default:
			w.Errorf("a principal without any role: %s %s answers %d %s", c.method, path, got.status, got.raw)
		}
	}
}
