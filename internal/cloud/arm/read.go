package arm

import (
	"encoding/base64"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"aksid/internal/azure"
)

// pageSize is how many elements a list answers at once.
const pageSize = 1000

// get answers one document. Like Azure it refuses before it says that there is nothing.
func (c *Call) get() (answer, *azure.Error) {
	if !c.Type.Open {
		if err := c.authorize(c.Type.read(), c.ID); err != nil {
			return answer{}, err
		}
	}
	doc, err := c.read()
	if err != nil {
		if c.Method == http.MethodHead && err.Status == http.StatusNotFound {
			return answer{status: http.StatusNotFound}, nil
		}
		return answer{}, err
	}
	if c.Method == http.MethodHead {
		return answer{status: http.StatusNoContent}, nil
	}
	ans := answer{status: http.StatusOK, body: c.view(c.Type, doc)}
	if s, ok := doc[statusMember].(int); ok {
		ans.status = s
	}
	if h, ok := doc[headerMember].(http.Header); ok {
		ans.header = h
	}
	if ans.status == http.StatusNoContent || ans.status == http.StatusAccepted {
		ans.body = nil
	}
	return ans, nil
}

// read finds the document that the call is about, or says what is missing.
func (c *Call) read() (Doc, *azure.Error) {
	if c.Type.Get != nil {
		return c.Type.Get(c)
	}
	doc, err := c.Load(c.ID)
	if err != nil {
		return nil, c.fault(err)
	}
	if doc == nil {
		return nil, c.notFound()
	}
	return doc, nil
}

// notFound says which part of an id does not exist, from the subscription down.
func (c *Call) notFound() *azure.Error {
	if err := c.findScope(); err != nil {
		return err
	}
	switch {
	case c.Type.Name == azure.TypeResourceGroup:
		return azure.ResourceGroupNotFound.Format(azure.Fields{"group": c.ID.Name()})
	case c.Type.Name == azure.TypeSubscription:
		return azure.SubscriptionNotFound.Format(azure.Fields{"subscription": c.ID.Name()})
	case c.Type.inside != nil:
		return azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
	}
	_, typ, names := c.ID.Split()
	parts := strings.Split(typ, "/")
	resource := parts[0]
	for i, name := range names {
		resource += "/" + parts[i+1] + "/" + name
	}
	return azure.ResourceNotFound.Format(azure.Fields{"resource": resource, "group": c.ID.ResourceGroup()})
}

// findScope checks that the subscription and the resource group of an id exist.
func (c *Call) findScope() *azure.Error {
	sub := c.ID.Subscription()
	if sub == "" || c.Type.Name == azure.TypeSubscription {
		return nil
	}
	doc, err := c.Load(azure.SubscriptionID(sub))
	if err != nil {
		return c.fault(err)
	}
	if doc == nil {
		return azure.SubscriptionNotFound.Format(azure.Fields{"subscription": sub})
	}
	group := c.ID.GroupID()
	if group.IsZero() || c.Type.Name == azure.TypeResourceGroup {
		return nil
	}
	if doc, err = c.Load(group); err != nil {
		return c.fault(err)
	}
	if doc == nil {
		return azure.ResourceGroupNotFound.Format(azure.Fields{"group": group.Name()})
	}
	return nil
}

// list answers a collection, page by page. The permission is checked at the scope that is listed;
// Azure then names the provider as the scope (azure-facts 3.3).
func (c *Call) list() (answer, *azure.Error) {
	if !c.Type.Open && !c.Type.Trims {
		scope := c.ID
		if ns := namespace(c.Type.Name); c.Type.Place == InGroup && !strings.Contains(scope.Key(), "/providers/") {
			scope = scope.Join("providers", ns)
		}
		if err := c.authorize(c.Type.read(), scope); err != nil {
			return answer{}, err
		}
	}
	if err := c.findListed(); err != nil {
		return answer{}, err
	}
	value := []any{}
	next := ""
	for doc, err := range c.listed(c.after()) {
		if err != nil {
			return answer{}, c.fault(err)
		}
		if c.Type.Trims && !c.May(c.Type.read(), azure.MustID(Str(doc, "id"))) {
			continue
		}
		if len(value) == pageSize {
			next = c.nextLink(value[pageSize-1])
			break
		}
		value = append(value, c.view(c.Type, doc))
	}
	body := Doc{"value": value}
	if next != "" {
		body["nextLink"] = next
	}
	return answer{status: http.StatusOK, body: body}, nil
}

func (c *Call) findListed() *azure.Error {
	if c.Type.Get != nil || c.Type.List != nil && c.Type.Open {
		return nil
	}
	probe := *c
	r := *c.Request
	probe.Request = &r
	if group := c.ID.GroupID(); !group.IsZero() || c.ID.Subscription() != "" {
		r.ID = c.ID.Join("providers") // below the scope, so that the scope itself is looked for
		if err := probe.findScope(); err != nil {
			return err
		}
	}
	if c.Type.Place == Any || !strings.Contains(c.ID.Key(), "/providers/") {
		return nil
	}
	if t := c.arm.reg.find(c.ID.Type()); t != nil && t.Get == nil {
		if doc, err := c.Load(c.ID); err != nil || doc == nil {
			if err != nil {
				return c.fault(err)
			}
			return azure.ParentNotFound.Format(azure.Fields{"verb": "read", "type": strings.TrimPrefix(c.Type.Name, namespace(c.Type.Name)+"/"), "parent": c.ID.String()})
		}
	}
	return nil
}

func (c *Call) listed(after string) iter.Seq2[Doc, error] {
	switch {
	case c.Type.List != nil:
		return c.Type.List(c)
	case c.Type.inside != nil:
		return c.listInside()
	}
	return func(yield func(Doc, error) bool) {
		for d, err := range c.scan(c.Type, c.ID, after) {
			if err != nil {
				yield(nil, err)
				return
			}
			if doc, err := decode(d.Body); !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// after is where the page before this one ended.
func (c *Call) after() string {
	b, err := base64.RawURLEncoding.DecodeString(query(c.Request, "$skiptoken"))
	if err != nil {
		return ""
	}
	return string(b)
}

func (c *Call) nextLink(last any) string {
	doc, _ := last.(Doc)
	id, err := azure.ParseID(Str(doc, "id"))
	if err != nil {
		return ""
	}
	q := url.Values{}
	for k, v := range c.Query {
		q[k] = v
	}
	q.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(id.Key())))
	return c.Base + c.Path + "?" + q.Encode()
}

// Members of a document that say how a type's own Get wants to be answered.
const (
	internal     = "_"
	statusMember = "_status"
	headerMember = "_header"
)

// Answer sets status and headers of the answer to a type's own Get.
func Answer(d Doc, status int, h http.Header) Doc {
	d[statusMember], d[headerMember] = status, h
	return d
}

// view is a document as a client sees it.
func (c *Call) view(t *Type, d Doc) Doc {
	out := make(Doc, len(d))
	for k, v := range d {
		if !strings.HasPrefix(k, internal) {
			out[k] = v
		}
	}
	if t.SystemData {
		if sd := Map(d, "_.systemData"); sd != nil {
			out["systemData"] = sd
		}
	}
	if t.View != nil {
		out = Clone(out)
		t.View(c, out)
	}
	return out
}

// act runs a POST action.
func (c *Call) act() (answer, *azure.Error) {
	a := c.Type.Actions[strings.ToLower(c.Action)]
	action := a.RBAC
	if action == "" {
		action = azure.Action(c.Type.Name + "/" + c.Action + "/action")
	}
	if err := c.authorize(action, c.ID); err != nil {
		return answer{}, err
	}
	doc, err := c.read()
	if err != nil {
		return answer{}, err
	}
	c.Doc = doc
	body, err := a.Do(c)
	if err != nil {
		return answer{}, err
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	return answer{status: status, body: body}, c.fault(c.log("Succeeded", status, nil))
}
