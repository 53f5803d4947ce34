package estate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"aksid/internal/azure"
)

// Writer changes what Azure, or a local Azure, holds. Loading never needs one: it is for plans that were agreed to.
type Writer struct{ client *client }

// Writer is a writer with the credential that the source reads with.
func (l Live) Writer() (*Writer, error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, err
	}
	return &Writer{c}, nil
}

// Put writes a resource. A role assignment that is there under another name counts as written.
func (w *Writer) Put(ctx context.Context, id azure.ID, body any) error {
	for try := 1; ; try++ {
		_, err := w.send(ctx, http.MethodPut, id, body)
		switch {
		case errorCode(err) == "RoleAssignmentExists":
			return nil
		case errorCode(err) == "RoleDefinitionDoesNotExist" && try < maxTries: // a role that was just made is not known everywhere
			if err := sleep(ctx, time.Duration(try)*time.Second); err != nil {
				return err
			}
			continue
		}
		return changed(id, err)
	}
}

// maxTries are the tries of a write that fails because another one is still on its way.
const maxTries = 6

// Ask puts a resource that is a request, and answers with what became of it. Code says why one was refused.
func (w *Writer) Ask(ctx context.Context, id azure.ID, body any) (Resource, error) {
	doc, err := w.send(ctx, http.MethodPut, id, body)
	return Resource{ID: id, Doc: doc}, changed(id, err)
}

// List reads the resources of a type at a scope. filter is OData, or "".
func (w *Writer) List(ctx context.Context, scope azure.ID, typ, filter string) ([]Resource, error) {
	docs, version, err := w.client.list(ctx, scope, typ, filter)
	if err != nil {
		return nil, refusal("the "+TypeWord(typ)+"s of "+scope.String(), typ+"/read", err)
	}
	var out []Resource
	for _, d := range docs {
		out = append(out, Resource{ID: linkAt(d, "id"), Version: version, Doc: d})
	}
	return out, nil
}

// Code is the error code that Azure refused a call with, or "".
func Code(err error) string { return errorCode(err) }

// Words are what Azure said of a call that it refused, or "".
func Words(err error) string {
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.RawResponse == nil {
		return ""
	}
	text, _ := runtime.Payload(e.RawResponse)
	v, _ := decodeText(text)
	return textAt(v, "error.message")
}

// Delete takes a resource away. One that is not there is fine.
func (w *Writer) Delete(ctx context.Context, id azure.ID) error {
	_, err := w.send(ctx, http.MethodDelete, id, nil)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return changed(id, err)
}

// Get reads a resource; false if it is not there.
func (w *Writer) Get(ctx context.Context, id azure.ID) (Resource, bool, error) {
	doc, version, err := w.client.get(ctx, id)
	if isStatus(err, http.StatusNotFound) {
		return Resource{}, false, nil
	}
	if err != nil {
		return Resource{}, false, refusal(TypeWord(id.Type())+" "+id.Name(), id.Type()+"/read", err)
	}
	return Resource{ID: id, Version: version, Doc: doc}, true, nil
}

// Assigned reports whether a role is seen to be assigned to a principal just at a scope.
func (w *Writer) Assigned(ctx context.Context, role azure.GUID, p azure.PrincipalID, scope azure.ID) (bool, error) {
	docs, _, err := w.client.list(ctx, scope, typeAssignment, "principalId eq '"+p.String()+"'")
	if err != nil {
		return false, refusal("the role assignments of "+scope.String(), typeAssignment+"/read", err)
	}
	for _, d := range docs {
		if g, ok := grantOf(Resource{ID: linkAt(d, "id"), Doc: d}); ok && g.Principal == p && g.Role == role && g.Scope.Equal(scope) {
			return true, nil
		}
	}
	return false, nil
}

func (w *Writer) send(ctx context.Context, method string, id azure.ID, body any) (doc map[string]any, err error) {
	err = eachVersion(id.Type(), func(v string) error {
		doc, err = w.client.do(ctx, w.client.arm, method, w.client.armBase+escapePath(id.String())+"?api-version="+v, body)
		return err
	})
	return doc, err
}

// changed explains a write that was refused.
func changed(id azure.ID, err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case isStatus(err, http.StatusForbidden):
		what := id.Type() + "/write or /delete"
		return &Refused{fmt.Sprintf("%s cannot be changed (%s); it takes %s there, for roles as Owner, User Access Administrator or Role Based Access Control Administrator have it", id, why(err), what), err}
	}
	return &Refused{fmt.Sprintf("%s cannot be changed: %s", id, why(err)), err}
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
