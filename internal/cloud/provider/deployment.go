package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/policy"
	"aksid/internal/rbac"
	"aksid/internal/template"
)

const typeDeployment = "Microsoft.Resources/deployments"

// deployments are template deployments to resource groups and subscriptions (api-version 2021-04-01). Each resource is
// written as the deploying principal, through the front door.
func deployments() []arm.Type {
	versions := []string{"2024-03-01", "2022-09-01", "2021-04-01", "2020-10-01", "2020-06-01", "2019-10-01", "2018-05-01"}
	return []arm.Type{
		{Name: typeDeployment, Since: "2015-11-01", Versions: versions, Place: arm.Any, Body: deploymentBody, KeepsError: true,
			Check: checkDeployment, Steps: []arm.Step{deploy}, Actions: map[string]arm.Action{
				"validate":       {Do: validateDeployment, Absent: true},
				"whatif":         {Do: whatIf, Absent: true},
				"cancel":         {Do: cancelDeployment, Status: 204},
				"exporttemplate": {Do: func(c *arm.Call) (any, *azure.Error) { return arm.Doc{"template": arm.Get(c.Doc, "_.template")}, nil }},
			}},
		{Name: typeDeployment + "/operations", Since: "2015-11-01", Versions: versions, Place: arm.Any, List: listDeploymentOperations},
	}
}

// deploymentBody accepts what az sends, which is not JSON; it is read again with the template language's own parser.
func deploymentBody(raw []byte) (arm.Doc, *azure.Error) {
	if len(raw) == 0 {
		return arm.Doc{}, nil // of cancel
	}
	if _, err := template.ParseRequest(raw); err != nil {
		return nil, templateError(err)
	}
	return arm.Doc{}, nil
}

func templateError(err error) *azure.Error {
	var e *template.Error
	if errors.As(err, &e) {
		return e.Azure()
	}
	return arm.Fault(err)
}

// plan is a deployment that was read and evaluated with what is there.
type plan struct {
	request *template.Request
	result  *template.Result
}

// templateHash tells the templates of requests apart, as a decimal number.
func templateHash(raw []byte) string {
	var request struct {
		Properties struct{ Template json.RawMessage }
	}
	if json.Unmarshal(raw, &request) != nil { // it has comments
		request.Properties.Template = raw
	}
	h := fnv.New64a()
	_, _ = h.Write(request.Properties.Template)
	return strconv.FormatUint(h.Sum64(), 10)
}

// evaluate reads a deployment's body and evaluates it, as far as it can be known now.
func evaluate(c *arm.Call, raw []byte, now time.Time) (*plan, *azure.Error) {
	request, err := template.ParseRequest(raw)
	if err != nil {
		return nil, templateError(err)
	}
	if request.Template == nil {
		return nil, azure.InvalidContent.Format(azure.Fields{"cause": "Templates by link cannot be fetched from here. Send the template itself."})
	}
	sub, err := azure.ParseGUID(c.ID.Subscription())
	if err != nil {
		return nil, azure.InvalidSubscription.Format(azure.Fields{"subscription": c.ID.Subscription()})
	}
	seed := c.ID.Key() + now.String()
	guids := 0
	d := &template.Deployment{Template: request.Template, Parameters: request.Parameters, Name: c.ID.Name(), Tenant: c.Tenant(), Subscription: sub,
		Group: c.ID.ResourceGroup(), Location: request.Location, Deployer: c.Caller.ID, Now: now, Existing: visible{c},
		NewGUID: func() azure.GUID { guids++; return nameFrom(seed, fmt.Sprint(guids)) }} // the same each time it is evaluated
	if group := c.ID.GroupID(); !group.IsZero() {
		doc, err := c.Load(group)
		if err != nil {
			return nil, arm.Fault(err)
		}
		d.Location, d.Group = arm.Str(doc, "location"), arm.Str(doc, "name")
	}
	p := &plan{request, d.Evaluate()}
	if len(p.result.Errors) > 0 {
		return nil, p.result.Errors[0].Azure()
	}
	return p, nil
}

// resources are what the deployment writes: existing ones are read only, what a false condition leaves out is not there.
func (p *plan) resources() iter.Seq[*template.Resource] {
	return func(yield func(*template.Resource) bool) {
		for r := range p.result.All() {
			if r.Existing || r.Condition == false || r.Extension != "" || r.Nested != nil {
				continue
			}
			if !yield(r) {
				return
			}
		}
	}
}

// visible is what the deploying principal may read of what is there.
type visible struct{ c *arm.Call }

func (v visible) Resource(id azure.ID, _ string) (map[string]any, bool) {
	doc, err := v.c.Load(id)
	if err != nil || doc == nil || !mine(v.c).May(azure.Action(id.Type()+"/read"), id) {
		return nil, false
	}
	if state := arm.Str(doc, "properties.provisioningState"); state != "" && !ended(state) {
		return nil, false
	}
	return v.c.Shown(id, doc), true
}

func (v visible) List(azure.ID, string, string, any) (any, bool) { return nil, false }

// mine is the call in the name of the deploying principal.
func mine(c *arm.Call) *arm.Call { return c.As(c.Caller) }

func ended(state string) bool {
	return state == "Succeeded" || state == "Failed" || state == "Canceled"
}

// checkDeployment makes ARM's preflight: the template is valid, and the principal may write each resource.
func checkDeployment(c *arm.Call) *azure.Error {
	p, err := evaluate(c, c.Raw, c.Now)
	if err != nil {
		return err
	}
	if err := preflight(c, p); err != nil {
		return err
	}
	mode := p.request.Mode
	if mode == "" {
		mode = "Incremental"
	}
	c.Doc["properties"] = arm.Doc{"mode": mode, "parameters": values(p.result.Parameters), "timestamp": c.Now.Format(time.RFC3339Nano), "duration": "PT0S",
		"correlationId": c.Correlation, "providers": providersOf(p), "dependencies": []any{}, "templateHash": templateHash(c.Raw)}
	if p.request.Location != "" {
		c.Doc["location"] = p.request.Location
	}
	arm.Set(c.Doc, "_.raw", string(c.Raw))
	arm.Set(c.Doc, "_.began", c.Now.Format(time.RFC3339Nano))
	arm.Set(c.Doc, "_.done", arm.Doc{})
	return nil
}

// preflight refuses in ARM's words what the principal may not write, several refusals in one answer, and then what policies refuse.
func preflight(c *arm.Call, p *plan) *azure.Error {
	var refused []string
	for r := range p.resources() {
		if r.Partial || r.ID.IsZero() {
			continue
		}
		if !c.Serves(r.ID.Type()) {
			return azure.InvalidType.Format(azure.Fields{"type": strings.TrimPrefix(r.Type, strings.SplitN(r.Type, "/", 2)[0]+"/"), "namespace": strings.SplitN(r.Type, "/", 2)[0], "version": r.Version, "supported": ""})
		}
		action := azure.Action(r.ID.Type() + "/write")
		if d := c.Decide(c.Caller.ID, action, r.ID); d.Outcome != rbac.Granted {
			f := c.Who(action, r.ID)
			f["name"], f["type"] = r.Name, r.Type
			refused = append(refused, azure.TemplateAuthorizationFailed.Format(f).Message)
		}
	}
	switch len(refused) {
	case 0:
		return underPoliciesAll(c, p)
	case 1:
		e := azure.TemplateAuthorizationFailed.Error()
		e.Message = refused[0]
		return e
	}
	return azure.DeploymentInvalid.Format(azure.Fields{"errors": strings.Join(refused, ":")})
}

// underPoliciesAll refuses a template with a resource that policies refuse, each with its own answer.
func underPoliciesAll(c *arm.Call, p *plan) *azure.Error {
	bad := azure.TemplatePolicyViolation.Error()
	for r := range p.resources() {
		if r.Partial || r.ID.IsZero() || r.Existing || r.Document == nil || r.Condition == false {
			continue
		}
		doc := arm.Clone(r.Document)
		doc["id"], doc["name"], doc["type"] = r.ID.String(), r.ID.Name(), r.Type
		if e := underPolicies(c, r.ID, doc, func(policy.Outcome, *policy.Resource) error { return nil }); e != nil {
			bad.Details = append(bad.Details, e)
		}
	}
	if len(bad.Details) == 0 {
		return nil
	}
	return bad
}

// values are parameters or outputs as a deployment shows them; secure ones have no value.
func values(all []template.Value) arm.Doc {
	out := arm.Doc{}
	for _, v := range all {
		d := arm.Doc{"type": v.Type}
		if v.Value != nil && !strings.HasPrefix(v.Type, "Secure") {
			d["value"] = plain(v.Value)
		}
		out[v.Name] = d
	}
	return out
}

// plain shows an unknown value as its expression.
func plain(v any) any {
	switch v := v.(type) {
	case *template.Unknown:
		return v.String()
	case map[string]any:
		out := arm.Doc{}
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	}
	return v
}

// unknownIn is a part of a value that only the deployment will know; nil where all is known.
func unknownIn(v any) *template.Unknown {
	switch v := v.(type) {
	case *template.Unknown:
		return v
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if u := unknownIn(v[k]); u != nil {
				return u
			}
		}
	case []any:
		for _, e := range v {
			if u := unknownIn(e); u != nil {
				return u
			}
		}
	}
	return nil
}

func providersOf(p *plan) []any {
	types := map[string][]any{}
	var names []string
	for r := range p.resources() {
		ns, typ, _ := strings.Cut(r.Type, "/")
		if types[ns] == nil {
			names = append(names, ns)
		}
		entry := arm.Doc{"resourceType": typ, "locations": []any{arm.Str(r.Document, "location")}}
		if !slices.ContainsFunc(types[ns], func(v any) bool { return arm.Str(v.(arm.Doc), "resourceType") == typ }) {
			types[ns] = append(types[ns], entry)
		}
	}
	out := []any{}
	for _, ns := range names {
		out = append(out, arm.Doc{"namespace": ns, "resourceTypes": types[ns]})
	}
	return out
}

// validateDeployment is the preflight alone.
func validateDeployment(c *arm.Call) (any, *azure.Error) {
	p, err := evaluate(c, c.Raw, c.Now)
	if err == nil {
		err = preflight(c, p)
	}
	if err != nil {
		return nil, err
	}
	validated := []any{}
	for r := range p.resources() {
		validated = append(validated, arm.Doc{"id": r.ID.String()})
	}
	return arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": typeDeployment, "properties": arm.Doc{"mode": p.request.Mode,
		"parameters": values(p.result.Parameters), "providers": providersOf(p), "validatedResources": validated,
		"provisioningState": "Succeeded", "timestamp": c.Now.Format(time.RFC3339Nano), "duration": "PT0S", "correlationId": c.Correlation}}, nil
}

// whatIf says what a deployment would change: what it names and what the resource group holds besides.
func whatIf(c *arm.Call) (any, *azure.Error) {
	p, err := evaluate(c, c.Raw, c.Now)
	if err == nil {
		err = preflight(c, p)
	}
	if err != nil {
		return nil, err
	}
	changes := []any{}
	named := map[string]bool{}
	for r := range p.resources() {
		named[r.ID.Key()] = true
		before, err := c.Load(r.ID)
		if err != nil {
			return nil, arm.Fault(err)
		}
		after, _ := plain(r.Document).(map[string]any)
		after["id"], after["name"], after["type"], after["apiVersion"] = r.ID.String(), r.ID.Name(), r.Type, r.Version
		change := arm.Doc{"resourceId": r.ID.String(), "changeType": "Create", "before": nil, "after": after}
		if before != nil {
			shown := c.Shown(r.ID, before)
			delta := deltaOf(shown, after, "")
			change["before"], change["delta"], change["changeType"] = shown, delta, "Modify"
			if len(delta) == 0 {
				change["changeType"] = "NoChange"
			}
		}
		changes = append(changes, change)
	}
	for _, d := range leftOut(c, named) {
		kind := "Ignore"
		if strings.EqualFold(p.request.Mode, "Complete") {
			kind = "Delete"
		}
		changes = append(changes, arm.Doc{"resourceId": arm.Str(d, "id"), "changeType": kind, "before": summary(d), "after": nil})
	}
	return arm.Doc{"status": "Succeeded", "properties": arm.Doc{"correlationId": c.Correlation, "changes": changes}}, nil
}

// leftOut are the resources of the deployment's group that it does not name.
func leftOut(c *arm.Call, named map[string]bool) []arm.Doc {
	var out []arm.Doc
	group := c.ID.GroupID()
	if group.IsZero() {
		return nil
	}
	for _, p := range c.Providers() {
		for _, t := range p.Types {
			if !t.Tracked || t.Name == azure.TypeResourceGroup {
				continue
			}
			for d, err := range c.Resources(group, t.Name) {
				if err == nil && !named[azure.MustID(arm.Str(d, "id")).Key()] {
					out = append(out, d)
				}
			}
		}
	}
	return out
}

// deltaOf compares what a template says with what is there. What the template leaves out stays as it is.
func deltaOf(before, after arm.Doc, path string) []any {
	out := []any{}
	for k, v := range after {
		at := strings.TrimPrefix(path+"."+k, ".")
		old, there := before[k]
		if path == "" && slices.Contains([]string{"id", "name", "type", "apiVersion"}, k) {
			continue
		}
		sub, isMap := v.(map[string]any)
		oldSub, wasMap := old.(map[string]any)
		switch {
		case isMap && wasMap:
			out = append(out, deltaOf(oldSub, sub, at)...)
		case !there:
			out = append(out, arm.Doc{"path": at, "propertyChangeType": "Create", "before": nil, "after": v})
		case !alike(old, v):
			out = append(out, arm.Doc{"path": at, "propertyChangeType": "Modify", "before": old, "after": v})
		}
	}
	slices.SortFunc(out, func(a, b any) int { return strings.Compare(arm.Str(a.(arm.Doc), "path"), arm.Str(b.(arm.Doc), "path")) })
	return out
}

// alike reports whether what a template says is there already; members that it leaves out count as they are.
func alike(before, after any) bool {
	switch after := after.(type) {
	case map[string]any:
		old, ok := before.(map[string]any)
		for k, v := range after {
			ok = ok && alike(old[k], v)
		}
		return ok
	case []any:
		old, ok := before.([]any)
		if !ok || len(old) != len(after) {
			return false
		}
		for i, v := range after {
			if !alike(old[i], v) {
				return false
			}
		}
		return true
	}
	x, _ := json.Marshal(before)
	y, _ := json.Marshal(after)
	return strings.EqualFold(string(x), string(y))
}

// cancelDeployment stops a deployment between two resources.
func cancelDeployment(c *arm.Call) (any, *azure.Error) {
	state := arm.Str(c.Doc, "properties.provisioningState")
	if ended(state) {
		return nil, azure.DeploymentNotRunning.Format(azure.Fields{"name": c.ID.Name(), "state": state})
	}
	arm.Set(c.Doc, "_.canceled", true)
	return nil, c.Save()
}
