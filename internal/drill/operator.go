package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// doc is a JSON object.
type doc = map[string]any

// operator looks at the local Azure and changes it as its Owner: drills set the scene and tidy up so. What is acted
// out is acted out as the cluster's own identities, in the controllers' program.
type operator struct {
	*local.Azure
	mu      sync.Mutex
	token   string
	renewed time.Time
}

// renewAfter is how old a token of the operator gets; they are good for an hour.
const renewAfter = 20 * time.Minute

func (o *operator) bearer(ctx context.Context) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.token != "" && time.Since(o.renewed) < renewAfter {
		return o.token, nil
	}
	token, err := o.Token(ctx, o.Operator)
	if err == nil {
		o.token, o.renewed = token, time.Now()
	}
	return token, err
}

func (o *operator) call(ctx context.Context, method, path string, in, out any) error {
	token, err := o.bearer(ctx)
	if err != nil {
		return err
	}
	if err := o.Call(ctx, token, method, path, in, out); err != nil {
		place, _, _ := strings.Cut(path, "?")
		return fmt.Errorf("%s %s: %w", method, place, err)
	}
	return nil
}

func (o *operator) put(ctx context.Context, id azure.ID, in doc) (doc, error) {
	var out doc
	err := o.call(ctx, http.MethodPut, local.PathOf(id), in, &out)
	return out, err
}

// get reads a resource; one that is not there is nil.
func (o *operator) get(ctx context.Context, id azure.ID) (doc, error) {
	var out doc
	err := o.call(ctx, http.MethodGet, local.PathOf(id), nil, &out)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	return out, err
}

// remove deletes a resource, if it is there.
func (o *operator) remove(ctx context.Context, id azure.ID) error {
	err := o.call(ctx, http.MethodDelete, local.PathOf(id), nil, nil)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// list reads a collection: a type in a group, or the children of a resource.
func (o *operator) list(ctx context.Context, collection azure.ID) ([]doc, error) {
	const most = 1000 // pages
	var all []doc
	path := local.PathOf(collection)
	for range most {
		var page struct {
			Value    []doc  `json:"value"`
			NextLink string `json:"nextLink"`
		}
		if err := o.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.NextLink == "" {
			return all, nil
		}
		path = strings.TrimPrefix(page.NextLink, o.URL)
	}
	return nil, fmt.Errorf("%s has more than %d pages", collection, most)
}

func isStatus(err error, status int) bool {
	var e *azure.Error
	return errors.As(err, &e) && e.Status == status
}

// at is the value at a path of member names; numbers choose among the elements of a list.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(doc)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func text(v any, path ...any) string {
	s, _ := at(v, path...).(string)
	return s
}

func list(v any, path ...any) []any {
	l, _ := at(v, path...).([]any)
	return l
}

// idOf reads an id; what is none is the zero ID.
func idOf(s string) azure.ID {
	id, err := azure.ParseID(s)
	if err != nil {
		return azure.ID{}
	}
	return id
}
