package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// KindActivity are the ends of calls and operations in the activity logs; the key is log/nanoseconds/event. What
// began there is kept with it, see Events.
const KindActivity = "activity"

// LogOf names the activity log that tells of what is below a scope: its subscription's, its management group's, or that of
// the tenant, which holds neither (Azure Monitor, REST: tenant activity logs).
func LogOf(id azure.ID) string {
	if sub := id.Subscription(); sub != "" {
		return strings.ToLower(sub)
	}
	for at := id; !at.IsZero(); at = at.Parent() {
		if strings.EqualFold(at.Type(), azure.TypeManagementGroup) {
			return "group:" + strings.ToLower(at.Name())
		}
	}
	return "tenant"
}

// ActivityKey is the least key of an event of a log at a time.
func ActivityKey(log string, at time.Time) string {
	return fmt.Sprintf("%s/%020d/", log, at.UnixNano())
}

// log writes that a write, delete or action began and ended: who did what where, and how it came out
// (Microsoft.Insights eventtypes/management/values, api-version 2015-04-01).
func (c *Call) log(status string, code int, refused *azure.Error) error {
	begun := Doc{"id": azure.NewGUID().String()}
	if c.bodyIsLogged() {
		if sent, _ := json.Marshal(c.Body); len(sent) <= maxLoggedBody {
			begun["body"] = string(sent)
		}
	}
	return c.logEvent(status, code, refused, begun)
}

// logEnd writes how an operation ended that began with an earlier call.
func (c *Call) logEnd(status string, code int, refused *azure.Error) error {
	return c.logEvent(status, code, refused, nil)
}

func (c *Call) logEvent(status string, code int, refused *azure.Error, begun Doc) error {
	if c.ID.Subscription() == "" && (c.Type.Open || c.Type.ReadOnly) { // a question that is asked with POST
		return nil
	}
	e := c.event(status, code, refused)
	if begun != nil {
		e.Own = Doc{"begun": begun}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return c.Tx.Add(store.Doc{Kind: KindActivity, Key: ActivityKey(LogOf(c.ID), c.Now) + e.EventDataID, Body: body})
}

// bodyIsLogged reports whether the log keeps what was sent and what is there then: of role assignments and their like,
// as recorded ones show. Others' may hold secrets.
func (c *Call) bodyIsLogged() bool {
	return namespace(c.Type.Name) == "Microsoft.Authorization" && c.Method == http.MethodPut
}

const maxLoggedBody = 16 << 10 // bytes; of longer ones nothing is kept

// Events are what a document of KindActivity says: the end of a call or an operation and, before a call's, that it began.
func Events(body []byte) ([]Doc, error) {
	var end Doc
	if err := json.Unmarshal(body, &end); err != nil {
		return nil, err
	}
	begun := Map(end, "_.begun")
	delete(end, internal)
	if begun == nil {
		return []Doc{end}, nil
	}
	begin, id := Clone(end), Str(begun, "id")
	begin["id"] = strings.Replace(Str(end, "id"), Str(end, "eventDataId"), id, 1)
	begin["eventDataId"], begin["level"] = id, "Informational"
	begin["eventName"], begin["status"], begin["subStatus"] = localized("BeginRequest", "Begin request"), localized("Started", "Started"), localized("", "")
	props := Map(begin, "properties")
	for _, k := range []string{"statusCode", "serviceRequestId", "statusMessage", "responseBody"} {
		delete(props, k)
	}
	if sent := Str(begun, "body"); sent != "" {
		props["requestbody"] = sent
	}
	return []Doc{begin, end}, nil
}

// event is what the log says of the end of a call or an operation.
type event struct {
	Authorization struct {
		Action azure.Action `json:"action"`
		Scope  azure.ID     `json:"scope"`
	} `json:"authorization"`
	Caller        string          `json:"caller"`
	Channels      string          `json:"channels"`
	Claims        json.RawMessage `json:"claims"`
	CorrelationID string          `json:"correlationId"`
	Description   string          `json:"description"`
	EventDataID   string          `json:"eventDataId"`
	EventName     text            `json:"eventName"`
	Category      text            `json:"category"`
	HTTPRequest   struct {
		ClientRequestID string `json:"clientRequestId"`
		ClientIPAddress string `json:"clientIpAddress"`
		Method          string `json:"method"`
	} `json:"httpRequest"`
	ID                   string          `json:"id"`
	Level                string          `json:"level"`
	ResourceGroupName    string          `json:"resourceGroupName"`
	ResourceProviderName text            `json:"resourceProviderName"`
	ResourceID           azure.ID        `json:"resourceId"`
	ResourceType         text            `json:"resourceType"`
	OperationID          string          `json:"operationId"`
	OperationName        text            `json:"operationName"`
	Properties           eventProperties `json:"properties"`
	Status               text            `json:"status"`
	SubStatus            text            `json:"subStatus"`
	EventTimestamp       string          `json:"eventTimestamp"`
	SubmissionTimestamp  string          `json:"submissionTimestamp"`
	SubscriptionID       string          `json:"subscriptionId"`
	TenantID             azure.GUID      `json:"tenantId"`
	Own                  Doc             `json:"_,omitempty"`
}

type eventProperties struct {
	StatusCode       string       `json:"statusCode"`
	ServiceRequestID string       `json:"serviceRequestId"`
	EventCategory    string       `json:"eventCategory"`
	Entity           azure.ID     `json:"entity"`
	Message          azure.Action `json:"message"`
	Hierarchy        string       `json:"hierarchy"`
	StatusMessage    string       `json:"statusMessage,omitempty"`
	ResponseBody     string       `json:"responseBody,omitempty"`
}

// text is a value and how a person reads it.
type text struct {
	Value string `json:"value"`
	Shown string `json:"localizedValue"`
}

func plainly(value string) text { return text{value, value} }

func (c *Call) event(status string, code int, refused *azure.Error) *event {
	action, id := c.action(), azure.NewGUID().String()
	said := strings.ReplaceAll(http.StatusText(code), " ", "")
	_, typ, _ := place(c.ID)
	stamp := c.Now.Format("2006-01-02T15:04:05.0000000Z")
	e := &event{
		Caller: c.callerName(), Channels: "Operation", Claims: c.claims(), CorrelationID: c.Correlation, EventDataID: id,
		EventName: text{"EndRequest", "End request"}, Category: plainly("Administrative"),
		ID:    c.ID.String() + "/events/" + id + "/ticks/" + strconv.FormatInt(ticks(c.Now), 10),
		Level: "Informational", ResourceGroupName: c.ID.ResourceGroup(), ResourceProviderName: plainly(namespace(typ)),
		ResourceID: c.ID, ResourceType: plainly(c.Type.Shown), OperationID: c.Correlation, OperationName: plainly(string(action)),
		Properties: eventProperties{StatusCode: said, ServiceRequestID: c.RequestID, EventCategory: "Administrative",
			Entity: c.ID, Message: action, Hierarchy: c.Tenant().String() + "/" + c.ID.Subscription()},
		Status: plainly(status), SubStatus: text{said, fmt.Sprintf("%s (HTTP Status Code: %d)", http.StatusText(code), code)},
		EventTimestamp: stamp, SubmissionTimestamp: stamp, SubscriptionID: c.ID.Subscription(), TenantID: c.Tenant(),
	}
	e.Authorization.Action, e.Authorization.Scope = action, c.ID
	e.HTTPRequest.ClientRequestID, e.HTTPRequest.ClientIPAddress, e.HTTPRequest.Method = c.ClientRequestID, c.ClientIP, c.Method
	if refused != nil {
		e.Level, e.Properties.StatusMessage = "Error", string(refused.Body())
	} else if c.bodyIsLogged() {
		if kept, _ := json.Marshal(c.view(c.Type, c.Doc)); len(kept) <= maxLoggedBody { // documents came from JSON
			e.Properties.ResponseBody = string(kept)
		}
	}
	return e
}

func localized(value, text string) Doc { return Doc{"value": value, "localizedValue": text} }

// ticks are 100 ns since the year 1, as .NET counts.
func ticks(t time.Time) int64 { return t.Unix()*1e7 + int64(t.Nanosecond())/100 + 621355968000000000 }

// action is the RBAC action that the call needs.
func (c *Call) action() azure.Action {
	switch {
	case c.Action != "":
		if a := c.Type.Actions[strings.ToLower(c.Action)]; a.RBAC != "" {
			return a.RBAC
		}
		return azure.Action(c.Type.Name + "/" + c.Action + "/action")
	case c.Method == http.MethodDelete:
		return c.Type.delete()
	case c.Method == http.MethodGet, c.Method == http.MethodHead:
		return c.Type.read()
	}
	return c.Type.write()
}

// callerName is what the log's caller column shows: a user's UPN, otherwise the object id.
func (c *Call) callerName() string {
	if c.Caller.UPN != "" {
		return c.Caller.UPN
	}
	return c.Caller.ID.String()
}

// claims are those of the caller's token; a step of an operation has the principal's ids only.
func (c *Call) claims() json.RawMessage {
	if c.Caller.Logged != nil {
		return c.Caller.Logged
	}
	return directory.LoggedClaims(map[string]any{"appid": c.Caller.AppID.String()}, c.Caller.ID, c.Tenant())
}
