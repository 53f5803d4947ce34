package estate

import (
	"cmp"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Event is an entry of an activity log: what was asked of Resource Manager, by whom, and how far it came. A call has
// two or more of them, with one CorrelationID: that it began, and how it ended. Texts are as the log has them.
type Event struct {
	ID            string            // the same whenever the log is read
	Time          time.Time         // UTC
	Submitted     time.Time         // when the log had it, minutes later; zero where it does not say
	Caller        string            // a user's name, or an object id
	Principal     azure.PrincipalID // by the token's claims; zero where they are not there
	App           azure.GUID        // client id by the token's claims, or zero
	Operation     azure.Action
	Status        string // Started, Accepted, Succeeded, Failed
	SubStatus     string // as Created or Forbidden
	HTTP          int    // status code, 0 where it does not say
	Scope         azure.ID
	CorrelationID string
	// Grant is the role assignment that was written or removed, as far as the log says: of it or of an earlier event of
	// the same assignment. Roles that Privileged Identity Management gives are among them.
	Grant *rbac.Grant
	Doc   Doc // the entry as it came
}

// Events are the entries of the activity logs that were read, the oldest first, each once.
func (e *Estate) Events() []*Event { return e.events }

// Succeeded reports whether a call came to a good end.
func (v *Event) Succeeded() bool { return strings.EqualFold(v.Status, "Succeeded") }

// Failed reports whether a call was refused or came to a bad end.
func (v *Event) Failed() bool { return strings.EqualFold(v.Status, "Failed") }

// Removes reports whether something was deleted.
func (v *Event) Removes() bool {
	return strings.HasSuffix(strings.ToLower(string(v.Operation)), "/delete")
}

// isEvent reports whether a document is an entry of an activity log.
func isEvent(m map[string]any) bool {
	return textAt(m, "eventTimestamp") != "" && at(m, "operationName") != nil
}

// Claims that tell who called (Azure Monitor, activity log event schema).
const (
	claimObject = "http://schemas.microsoft.com/identity/claims/objectidentifier"
	claimApp    = "appid"
)

// eventOf reads an entry, as the REST API answers and as az prints it. One without an id, a time or a place is none.
func eventOf(doc map[string]any) (*Event, bool) {
	claims := mapAt(doc, "claims")
	v := &Event{
		ID:            cmp.Or(textAt(doc, "eventDataId"), textAt(doc, "id")),
		Time:          timeAt(doc, "eventTimestamp").UTC(),
		Submitted:     timeAt(doc, "submissionTimestamp").UTC(),
		Caller:        textAt(doc, "caller"),
		Principal:     guidIn(claims, claimObject),
		App:           guidIn(claims, claimApp),
		Operation:     azure.Action(valueAt(doc, "operationName")),
		Status:        valueAt(doc, "status"),
		SubStatus:     valueAt(doc, "subStatus"),
		Scope:         linkAt(doc, "resourceId"),
		CorrelationID: textAt(doc, "correlationId"),
		Doc:           doc,
	}
	if v.Scope.IsZero() {
		v.Scope = linkAt(doc, "authorization.scope")
	}
	if v.Principal.IsZero() {
		v.Principal = guidAt(doc, "caller")
	}
	v.HTTP = statusCode(cmp.Or(textAt(doc, "properties.statusCode"), v.SubStatus))
	v.Grant = v.written()
	return v, v.ID != "" && !v.Time.IsZero() && !v.Scope.IsZero() && v.Operation != ""
}

// valueAt reads a text that the log localizes: {"value": …, "localizedValue": …}, or the text alone.
func valueAt(doc map[string]any, path string) string {
	return cmp.Or(textAt(doc, path), textAt(doc, path+".value"))
}

// guidIn reads a member whose name has dots.
func guidIn(m map[string]any, key string) azure.GUID {
	s, _ := field(m, key).(string)
	g, _ := azure.ParseGUID(s)
	return g
}

// statusCode reads an HTTP status, as 403 or Forbidden.
func statusCode(s string) int {
	if n, err := strconv.Atoi(s); err == nil && n >= 100 && n <= 599 {
		return n
	}
	return statusNames[strings.ToLower(s)]
}

var statusNames = func() map[string]int {
	out := map[string]int{}
	for n := http.StatusContinue; n < 600; n++ {
		if s := http.StatusText(n); s != "" {
			out[strings.ToLower(strings.ReplaceAll(s, " ", ""))] = n
		}
	}
	return out
}()

// maxBody bounds the JSON text inside of an entry, in bytes; ARM takes 4 MiB.
const maxBody = 4 << 20

// written is the role assignment that an entry says was sent or is there.
func (v *Event) written() *rbac.Grant {
	if !v.onRoles() {
		return nil
	}
	for doc := range v.bodies() {
		if g, ok := grantOf(Resource{ID: v.Scope, Doc: doc}); ok {
			return &g
		}
	}
	return nil
}

// bodies are what an entry says is there, and was sent: responseBody in the entry of an end, requestbody in that of a
// beginning, both JSON in a string (Azure RBAC, activity logs for changes).
func (v *Event) bodies() iter.Seq[Doc] {
	return func(yield func(Doc) bool) {
		for _, key := range []string{"properties.responseBody", "properties.requestbody"} {
			text := textAt(v.Doc, key)
			if text == "" || len(text) > maxBody {
				continue
			}
			body, err := decodeText([]byte(text))
			if err != nil {
				continue
			}
			if mapAt(body, "properties") == nil {
				body = map[string]any{"properties": body}
			}
			if doc, _ := body.(map[string]any); doc != nil && !yield(doc) {
				return
			}
		}
	}
}

// BreakGlass is the request that a role was given for in an emergency, as its mark or its ticket in Privileged Identity
// Management says. The mark is empty where the role is PIM's: that one ends by itself.
func (v *Event) BreakGlass() (request string, m Mark, ok bool) {
	for doc := range v.bodies() {
		if m, marked, _ := ParseMark(textAt(doc, "properties.description")); marked {
			return m.Request, m, true
		}
		if strings.EqualFold(textAt(doc, "properties.ticketInfo.ticketSystem"), TicketSystem) {
			return textAt(doc, "properties.ticketInfo.ticketNumber"), Mark{}, true
		}
	}
	return "", Mark{}, false
}

// onRoles reports whether an operation is about a role assignment, one of Privileged Identity Management's or a role.
func (v *Event) onRoles() bool { return v.Operation.HasPrefix("Microsoft.Authorization/role") }

// addEvent takes an entry of an activity log. What is malformed is counted: it says nothing that could be relied on.
func (b *builder) addEvent(doc map[string]any) (*Event, bool) {
	v, ok := eventOf(doc)
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.events[v.ID] = v
	} else {
		b.badEvents++
	}
	return v, ok
}

// settleEvents puts the entries in order, and tells those of one role assignment what the others say of it.
func (b *builder) settleEvents() {
	for _, v := range b.events {
		b.estate.events = append(b.estate.events, v)
	}
	slices.SortFunc(b.estate.events, func(x, y *Event) int {
		return cmp.Or(x.Time.Compare(y.Time), order(x)-order(y), strings.Compare(x.ID, y.ID))
	})
	shareGrants(slices.Values(b.estate.events))
	shareGrants(func(yield func(*Event) bool) { // a call begins before the log says what came of it
		for _, v := range slices.Backward(b.estate.events) {
			if !yield(v) {
				return
			}
		}
	})
	if b.badEvents > 0 {
		b.estate.Incomplete = append(b.estate.Incomplete, Incomplete{What: strconv.Itoa(b.badEvents) + " entries of the activity log", Why: "they are malformed"})
	}
}

// shareGrants gives what an entry says of a role assignment to the next ones of the same that do not say it.
func shareGrants(events iter.Seq[*Event]) {
	known := map[string]*rbac.Grant{}
	for v := range events {
		switch key := v.Scope.Key(); {
		case v.Grant != nil:
			known[key] = v.Grant
		case v.onRoles():
			v.Grant = known[key]
		}
	}
}

// order is how the entries of one time follow each other: a call begins before it ends.
func order(v *Event) int {
	switch strings.ToLower(v.Status) {
	case "started":
		return 0
	case "accepted":
		return 1
	}
	return 2
}
