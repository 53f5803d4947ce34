package provider

import (
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/template"
)

// How often a deployment looks again: at once for the next resource, and while one that takes time is under way.
const (
	nextResource = time.Nanosecond
	whileWaiting = 20 * time.Millisecond
)

// progress of a resource in a deployment.
const (
	underWay = "Running"
	written  = "Succeeded"
)

// deploy takes a deployment one resource further. It is evaluated anew each time, with what is there by then:
// a value that was unknown, as the principal of an identity that it made, is known then.
func deploy(c *arm.Call) (time.Duration, *azure.Error) {
	if arm.Bool(c.Doc, "_.canceled") {
		return 0, azure.DeploymentCanceled.Error()
	}
	began, err := time.Parse(time.RFC3339Nano, arm.Str(c.Doc, "_.began"))
	if err != nil {
		return 0, arm.Fault(err)
	}
	p, e := evaluate(c, []byte(arm.Str(c.Doc, "_.raw")), began)
	if e != nil {
		return 0, e
	}
	waiting := false
	for r := range p.resources() {
		state, e := resourceState(c, r)
		if e != nil {
			return 0, failedAt(r, e)
		}
		switch {
		case state == written:
		case state == underWay || !ready(c, r):
			waiting = true
		default:
			if e := start(c, r); e != nil {
				return 0, failedAt(r, e)
			}
			return nextResource, c.Save()
		}
	}
	if waiting {
		return whileWaiting, c.Save()
	}
	return 0, finish(c, p)
}

// resourceState is how far a resource is; the error is that of a long operation on it.
func resourceState(c *arm.Call, r *template.Resource) (string, *azure.Error) {
	key := r.ID.Key()
	state := arm.Str(c.Doc, "_.done."+dotless(key)+".state")
	if state != underWay {
		return state, nil
	}
	doc, err := c.Load(r.ID)
	if err != nil {
		return "", arm.Fault(err)
	}
	switch now := arm.Str(doc, "properties.provisioningState"); {
	case !ended(now) && now != "":
		return underWay, nil
	case now == "Failed" || now == "Canceled":
		return "", &azure.Error{Status: http.StatusConflict, Code: "ResourceDeploymentFailure",
			Message: fmt.Sprintf("The resource write operation failed to complete successfully, because it reached terminal provisioning state '%s'.", now)}
	}
	note(c, r, written)
	return written, nil
}

// dotless is a key for a document's path.
func dotless(key string) string { return strings.ReplaceAll(key, ".", "%2E") }

func note(c *arm.Call, r *template.Resource, state string) {
	arm.Set(c.Doc, "_.done."+dotless(r.ID.Key()), arm.Doc{"state": state, "id": r.ID.String(), "type": r.Type, "name": r.Name, "at": c.Now.Format(time.RFC3339Nano)})
}

// ready reports whether everything that a resource depends on is done.
func ready(c *arm.Call, r *template.Resource) bool {
	for _, dep := range r.DependsOn {
		if dep.Nested != nil {
			for inner := range dep.Nested.All() {
				if !isDone(c, inner) {
					return false
				}
			}
		} else if !isDone(c, dep) {
			return false
		}
	}
	return r.Deployment == nil || ready(c, r.Deployment)
}

func isDone(c *arm.Call, r *template.Resource) bool {
	return r.Existing || r.Condition == false || r.Nested != nil || arm.Str(c.Doc, "_.done."+dotless(r.ID.Key())+".state") == written
}

// start writes a resource as the deploying principal.
func start(c *arm.Call, r *template.Resource) *azure.Error {
	if u := unknownIn(r.Document); u != nil || r.Partial {
		what := r.Name
		if u != nil {
			what = u.String()
		}
		return &azure.Error{Status: http.StatusBadRequest, Code: "InvalidTemplate", Message: fmt.Sprintf(
			"Unable to process template language expressions for resource '%s' at line '%d' and column '%d'. '%s cannot be evaluated.'", r.ID, r.Line, r.Column, what)}
	}
	call := mine(c)
	call.Version = r.Version
	if r.OnlyNew {
		if old, err := c.Load(r.ID); err != nil || old != nil {
			note(c, r, written)
			return arm.Fault(err)
		}
	}
	doc, err := call.Put(r.ID, arm.Clone(r.Document))
	if err != nil {
		return err
	}
	if state := arm.Str(doc, "properties.provisioningState"); state != "" && !ended(state) {
		note(c, r, underWay)
		return nil
	}
	note(c, r, written)
	return nil
}

// statusCodes are the codes under which a deployment's details carry a resource's error.
var statusCodes = map[int]string{http.StatusForbidden: "Forbidden", http.StatusBadRequest: "BadRequest", http.StatusConflict: "Conflict", http.StatusNotFound: "NotFound"}

// failedAt is the deployment's error, with the resource's own inside, as ARM nests them.
func failedAt(r *template.Resource, e *azure.Error) *azure.Error {
	if e.Status == http.StatusInternalServerError {
		return e
	}
	out := azure.DeploymentFailed.Error()
	code, ok := statusCodes[e.Status]
	if !ok || e.Code == "ResourceDeploymentFailure" || e.Code == "InvalidTemplate" {
		out.Details = []*azure.Error{{Code: e.Code, Message: e.Message, Target: r.ID.String()}}
		return out
	}
	out.Details = []*azure.Error{{Code: code, Message: string(e.Body())}}
	return out
}

// finish writes a deployment's outputs, and in complete mode removes what the template does not name.
func finish(c *arm.Call, p *plan) *azure.Error {
	named := map[string]bool{}
	outputs := []any{}
	for r := range p.resources() {
		named[r.ID.Key()] = true
		outputs = append(outputs, arm.Doc{"id": r.ID.String()})
	}
	if strings.EqualFold(p.request.Mode, "Complete") {
		for _, d := range leftOut(c, named) {
			if err := mine(c).Delete(azure.MustID(arm.Str(d, "id"))); err != nil {
				return err
			}
		}
	}
	arm.Set(c.Doc, "properties.outputs", values(p.result.Outputs))
	arm.Set(c.Doc, "properties.outputResources", outputs)
	delete(arm.Map(c.Doc, "_"), "raw") // with its secure parameters
	return c.Save()
}

// listDeploymentOperations are the resources of a deployment, each with how far it is.
func listDeploymentOperations(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		doc, err := c.Load(c.ID)
		if err != nil {
			yield(nil, err)
			return
		}
		done := arm.Map(doc, "_.done")
		for _, key := range slices.Sorted(maps.Keys(done)) {
			d, _ := done[key].(map[string]any)
			name := nameFrom(c.ID.Key(), key).Hex()[:16]
			op := arm.Doc{"id": c.ID.Join("operations", name).String(), "operationId": name, "properties": arm.Doc{"provisioningOperation": "Create",
				"provisioningState": d["state"], "timestamp": d["at"], "duration": "PT0S", "statusCode": "OK",
				"targetResource": arm.Doc{"id": d["id"], "resourceType": d["type"], "resourceName": d["name"]}}}
			if !yield(op, nil) {
				return
			}
		}
	}
}
