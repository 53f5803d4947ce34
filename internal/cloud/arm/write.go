package arm

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
)

// put is PUT and PATCH: decide, find what is around, admit, merge, decide the links, check, write, log.
func (c *Call) put() (answer, *azure.Error) {
	if err := c.authorizeWrite(); err != nil {
		return answer{}, err
	}
	if err := c.findAround(); err != nil {
		return answer{}, err
	}
	if err := c.admit(); err != nil {
		return answer{}, err
	}
	if err := c.unlocked(); err != nil {
		return answer{}, err
	}
	if err := c.precondition(); err != nil {
		return answer{}, err
	}
	c.Doc = c.compose()
	for _, step := range []func() *azure.Error{c.shape, c.checkPlace, c.checkLinks, c.checkDropped, c.bindIdentity, c.check, c.write} {
		if err := step(); err != nil {
			return answer{}, err
		}
	}
	return c.written()
}

func (c *Call) authorizeWrite() *azure.Error {
	if c.Type.AnyoneCreates && (c.Method == http.MethodPut || c.Type.Get != nil) { // a PATCH creates nothing that is stored
		if doc, err := c.look(c.ID); err != nil || doc == nil {
			return Fault(err)
		}
	}
	return c.authorize(c.Type.write(), c.ID)
}

// findAround loads what is there, and refuses where the scope or the parent is not.
func (c *Call) findAround() *azure.Error {
	if err := c.findScope(); err != nil {
		return err
	}
	if err := c.groupIsOpen(); err != nil {
		return err
	}
	if _, typ, names := c.ID.Split(); len(names) > 1 && typ != azure.TypeResourceGroup {
		parent, err := c.look(c.ID.Parent())
		if err != nil {
			return Fault(err)
		}
		if parent == nil {
			return azure.ParentNotFound.Format(azure.Fields{"verb": "write", "parent": c.ID.Parent().String(),
				"type": strings.TrimPrefix(c.Type.Name, namespace(c.Type.Name)+"/")})
		}
	}
	if err := c.findExtended(); err != nil {
		return err
	}
	old, err := c.current()
	if err != nil {
		return Fault(err)
	}
	if c.Old = old.copy(); c.Old == nil && c.Method == http.MethodPatch && c.Type.Get == nil {
		return c.notFound()
	}
	return c.idle()
}

// findExtended checks that what an extension stands on exists, where its type is served.
func (c *Call) findExtended() *azure.Error {
	if c.Type.Place != Any {
		return nil
	}
	scope, _, _ := c.ID.Split()
	t := c.arm.reg.find(scope.Type())
	if t == nil || t.Get != nil || t.Name == azure.TypeTenant {
		return nil
	}
	doc, err := c.look(scope)
	if err != nil || doc != nil {
		return Fault(err)
	}
	r := *c.Request
	r.ID, r.Type = scope, t
	return (&Call{Request: &r, Tx: c.Tx, arm: c.arm}).notFound()
}

// groupIsOpen refuses new work in a group that is being deleted.
func (c *Call) groupIsOpen() *azure.Error {
	group := c.ID.GroupID()
	if group.IsZero() || c.service {
		return nil
	}
	doc, err := c.look(group)
	if err != nil {
		return Fault(err)
	}
	if Str(doc, "properties.provisioningState") == "Deleting" {
		return azure.GroupBeingDeleted.Format(azure.Fields{"group": group.Name()})
	}
	return nil
}

// precondition is If-Match and If-None-Match (RFC 9110).
func (c *Call) precondition() *azure.Error {
	match, none := c.Header.Get("If-Match"), c.Header.Get("If-None-Match")
	tag := Str(c.Old, "etag")
	switch {
	case match != "" && (c.Old == nil || match != "*" && tag != "" && match != tag):
	case none == "*" && c.Old != nil:
	default:
		return nil
	}
	return azure.PreconditionFailed.Error()
}

// admit asks the providers that look at every write.
func (c *Call) admit() *azure.Error {
	for _, p := range c.arm.reg.providers {
		if p.Admit == nil {
			continue
		}
		if err := p.Admit(c, c.asked()); err != nil {
			return err
		}
	}
	return nil
}

// asked is the document that a request asks for.
func (c *Call) asked() Doc {
	doc := Clone(c.Body)
	if doc == nil {
		doc = Doc{}
	}
	if c.Old != nil && (c.Method == http.MethodPatch || c.Type.PutMerges) {
		doc = merge(c.view(c.Type, Clone(c.Old)), doc)
	}
	doc["id"], doc["name"], doc["type"] = c.canonical().String(), c.ID.Name(), c.Type.Shown
	return doc
}

// readOnly are the members that the door owns, whatever a request says.
var readOnly = []string{"id", "name", "type", "etag", "systemData"}

// compose is what will be stored: the request's body, on top of what it leaves alone.
func (c *Call) compose() Doc {
	body := Clone(c.Body)
	for k := range body {
		if slices.Contains(readOnly, k) || strings.HasPrefix(k, internal) {
			delete(body, k)
		}
	}
	doc := body
	if c.Old != nil && (c.Method == http.MethodPatch || c.Type.PutMerges) {
		doc = merge(Clone(c.Old), body)
	}
	for _, path := range c.Type.Keep {
		if v := Get(c.Old, path); v != nil {
			Default(doc, path, clone(v))
		}
	}
	if c.Type.Identity && doc["identity"] == nil && c.Old["identity"] != nil {
		doc["identity"] = clone(c.Old["identity"])
	}
	if c.Old != nil {
		doc["id"], doc["name"] = c.Old["id"], c.Old["name"]
	} else {
		doc["id"], doc["name"] = c.canonical().String(), c.ID.Name()
	}
	doc["type"] = c.Type.Shown
	c.Type.dropBack(doc)
	if own := c.Old[internal]; own != nil {
		doc[internal] = clone(own)
	}
	return doc
}

// canonical spells an id as Azure returns it: the resource group as it was created, the type as the provider names it.
func (c *Call) canonical() azure.ID {
	scope, typ, names := c.ID.Split()
	if typ == azure.TypeResourceGroup {
		return azure.SubscriptionID(strings.ToLower(names[0])).Join("resourceGroups", names[1])
	}
	if len(names) > 1 && c.Type.Place != Any {
		if parent, _ := c.look(c.ID.Parent()); parent != nil {
			kind := c.Type.Name[strings.LastIndexByte(c.Type.Name, '/')+1:]
			return azure.MustID(Str(parent, "id")).Join(kind, c.ID.Name())
		}
	}
	if doc, _ := c.look(scope); doc != nil {
		scope = azure.MustID(Str(doc, "id"))
	}
	return scope.Resource(c.Type.Name, names...)
}

// checkPlace is what ARM checks of every tracked resource: its name, its location, its tags.
func (c *Call) checkPlace() *azure.Error {
	if rule := c.Type.NameRule; c.Old == nil && rule != nil && !rule.MatchString(c.ID.Name()) {
		return azure.InvalidName.Format(azure.Fields{"name": c.ID.Name()})
	}
	if !c.Type.Tracked {
		return nil
	}
	location := NormalLocation(Str(c.Doc, "location"))
	old := Str(c.Old, "location")
	locations := c.Type.Locations()
	switch {
	case location == "" && old == "":
		return azure.LocationRequired.Error()
	case location == "":
		location = old
	case old != "" && location != old:
		if c.Type.Name == azure.TypeResourceGroup {
			return azure.GroupLocationConflict.Format(azure.Fields{"location": location, "old": old})
		}
		return azure.InvalidLocation.Format(azure.Fields{"name": c.ID.Name(), "old": old, "group": c.ID.ResourceGroup(), "location": location})
	case !slices.Contains(locations, location) && (c.Type.Global || !slices.Contains(canaries, location)):
		f := azure.Fields{"location": location, "type": c.Type.Name, "locations": strings.Join(locations, ",")}
		if c.Type.Name == azure.TypeResourceGroup {
			return azure.GroupLocationNotAvailable.Format(f)
		}
		return azure.LocationNotAvailable.Format(f)
	}
	c.Doc["location"] = location
	return nil
}

func (c *Call) check() *azure.Error {
	if c.Type.Check == nil {
		return nil
	}
	return c.Type.own(c.Type.Check(c))
}

// own marks a refusal as one of the type's provider, which may answer in a form of its own.
func (t *Type) own(refused *azure.Error) *azure.Error {
	if refused != nil && refused.Status < http.StatusInternalServerError {
		refused.Bare, refused.Provider = t.BareErrors, true
	}
	return refused
}

// write stores c.Doc, or puts it into its parent and stores that.
func (c *Call) write() *azure.Error {
	c.stamp()
	if c.Type.inside == nil {
		return c.store()
	}
	parent, err := c.openParent()
	if err != nil {
		return err
	}
	c.Type.inside.insert(parent.Doc, c.Doc)
	if err := parent.rewrite(); err != nil {
		return err
	}
	_, e := c.Type.inside.element(parent.Doc, c.ID.Name())
	c.Doc = c.Type.inside.project(parent.Doc, e)
	return nil
}

// rewrite checks and stores a parent whose children changed.
func (c *Call) rewrite() *azure.Error {
	if err := c.check(); err != nil {
		return err
	}
	c.stamp()
	return c.store()
}

// store settles and saves c.Doc, and lets its type act on that.
func (c *Call) store() *azure.Error {
	if err := c.Type.settle(c.Doc); err != nil {
		return err
	}
	if err := c.save(c.Type, c.ID, c.Doc); err != nil || c.Type.Written == nil {
		return Fault(err)
	}
	return c.Type.Written(c)
}

// checkDropped refuses a PUT that leaves out a child which another resource points to.
func (c *Call) checkDropped() *azure.Error {
	for i := range c.Type.Children {
		ch := &c.Type.Children[i]
		for _, e := range ch.elements(c.Old) {
			if j, _ := ch.element(c.Doc, Str(e, "name")); j < 0 {
				if err := c.usedBy(ch.id(c.Old, e), ch.Type); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// openParent is the parent of a resource that is stored inside of it, ready to be changed.
func (c *Call) openParent() (*Call, *azure.Error) {
	r := *c.Request
	r.ID, r.Type, r.Body = c.ID.Parent(), c.Type.parent, nil
	p := &Call{Request: &r, Tx: c.Tx, Now: c.Now, arm: c.arm, service: c.service}
	var err error
	if p.Old, err = c.Load(r.ID); err != nil {
		return nil, Fault(err)
	}
	if p.Old == nil {
		return nil, c.notFound()
	}
	p.Doc = Clone(p.Old)
	return p, nil
}

// stamp gives a written document its etag and notes who wrote it when.
func (c *Call) stamp() {
	now := c.Now.Format(time.RFC3339Nano)
	who, kind := c.Caller.ID.String(), "Application"
	switch {
	case c.Caller.UPN != "":
		who, kind = c.Caller.UPN, "User"
	case !c.Caller.Resource.IsZero():
		kind = "ManagedIdentity"
	case !c.Caller.AppID.IsZero():
		who = c.Caller.AppID.String()
	}
	sd := Doc{"createdBy": who, "createdByType": kind, "createdAt": now}
	if old := Map(c.Old, "_.systemData"); old != nil {
		sd = Clone(old)
	}
	sd["lastModifiedBy"], sd["lastModifiedByType"], sd["lastModifiedAt"] = who, kind, now
	Set(c.Doc, "_.systemData", sd)
	if c.Type.ETag {
		c.Doc["etag"] = `W/"` + azure.NewGUID().String() + `"`
	}
}

// written answers a PUT, and starts the work that goes on after it.
func (c *Call) written() (answer, *azure.Error) {
	status := c.Type.Codes.Update
	switch {
	case c.Old == nil:
		status = c.Type.Codes.Create
	case c.Method == http.MethodPatch:
		status = c.Type.Codes.Patch
	}
	owner, steps := c, c.Type.Steps
	if c.Type.inside != nil && len(c.Type.parent.Steps) > 0 {
		var err *azure.Error
		if owner, err = c.openParent(); err != nil {
			return answer{}, err
		}
		steps = owner.Type.Steps
	}
	ans := answer{status: status}
	if len(steps) == 0 {
		ans.body = c.view(c.Type, c.Doc)
		c.writeReceipt(&ans)
		return ans, Fault(c.log("Succeeded", status, nil))
	}
	op, err := owner.begin(verbWrite, c.Old == nil && owner == c)
	if err != nil {
		return ans, Fault(err)
	}
	if owner != c {
		if doc, err := c.Load(c.ID); err == nil && doc != nil {
			c.Doc = doc
		}
	} else {
		c.Doc = owner.Doc
	}
	ans.header = http.Header{"Azure-Asyncoperation": {op.url(c.Base)}, "Retry-After": {"1"}}
	ans.body = c.view(c.Type, c.Doc)
	return ans, Fault(c.log("Accepted", status, nil))
}
