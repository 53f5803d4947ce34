package estate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"aksid/internal/azure"
	"aksid/internal/policy"
)

// walk follows references from clusters: each resource and each subscription is read once, many at a time.
type walk struct {
	*builder
	Live
	client  *client
	tasks   sync.WaitGroup
	seen    map[string]bool // keys of tasks; guarded by builder.mu
	refused error           // why no clusters could be looked for; guarded by builder.mu
}

func (w *walk) wait() { w.tasks.Wait() }

// once runs a task in the background, unless one with the same key ran before.
func (w *walk) once(key string, task func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen[key] {
		w.seen[key] = true
		w.tasks.Go(task)
	}
}

func (w *walk) say(format string, args ...any) {
	if w.Progress != nil {
		w.Progress(fmt.Sprintf(format, args...))
	}
}

// resource reads a resource and those that matter with it, and the assignments of its subscription.
func (w *walk) resource(ctx context.Context, id azure.ID) {
	if id.Subscription() == "" || len(versionsOf(id.Type())) == 0 {
		return
	}
	w.subscription(ctx, id.Subscription())
	w.once(id.Key(), func() {
		w.say("reading %s", id)
		doc, version, err := w.client.get(ctx, id)
		switch {
		case isStatus(err, http.StatusNotFound):
			w.markAbsent(id)
		case err != nil:
			w.unreadable(ctx, TypeWord(id.Type())+" "+id.Name(), id.Type()+"/read", id, err)
		case w.add(doc, version, "") == nil:
			for _, ref := range (Resource{ID: id, Doc: doc}).references() {
				w.resource(ctx, ref)
			}
		}
	})
}

// references are the resources that decide what may be done with this one.
func (r Resource) references() []azure.ID {
	switch strings.ToLower(r.ID.Type()) {
	case strings.ToLower(TypeSubnet):
		return distinct([]azure.ID{
			r.Link("properties.routeTable.id"), r.Link("properties.networkSecurityGroup.id"), r.Link("properties.natGateway.id"),
		})
	case "microsoft.network/applicationgateways":
		return r.Links("properties.gatewayIPConfigurations", "properties.subnet.id")
	}
	return nil
}

// listing reads a collection and keeps its documents.
func (w *walk) listing(ctx context.Context, what, right string, scope azure.ID, read func() ([]map[string]any, string, error)) {
	w.once("listing "+scope.Key()+" "+what, func() {
		w.say("reading the %s of %s", what, scope.Name())
		docs, version, err := read()
		for _, doc := range docs {
			if err == nil {
				err = w.add(doc, version, "")
			}
		}
		if err != nil && !isStatus(err, http.StatusNotFound) {
			w.unreadable(ctx, "the "+what+" of "+scope.Name(), right, scope, err)
		}
	})
}

// subscription reads a subscription's name and everything about authorization at, above and below it.
func (w *walk) subscription(ctx context.Context, sub string) {
	scope := azure.SubscriptionID(sub)
	w.once(scope.Key(), func() {
		if doc, version, err := w.client.get(ctx, scope); err == nil {
			_ = w.add(doc, version, "") // only its name is of interest
		}
	})
	w.noteListed(sub)
	w.history(ctx, sub)
	for _, typ := range []string{typeAssignment, typeDefinition, typeDeny, typeLock} {
		w.once(scope.Resource(typ).Key(), func() { w.authorization(ctx, scope, typ) })
	}
	for _, typ := range []string{typeEligible, typeActive} {
		w.once(scope.Resource(typ).Key(), func() { w.schedulesIn(ctx, scope, typ) })
	}
	w.policiesIn(ctx, sub)
}

// noteListed notes for Save that a subscription's authorization was asked for: what could not be read is noted apart.
func (w *walk) noteListed(sub string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept != nil && !slices.Contains(w.kept.Listed, sub) {
		w.kept.Listed = append(w.kept.Listed, sub)
	}
}

// authorization reads one kind of authorization document of a subscription.
func (w *walk) authorization(ctx context.Context, scope azure.ID, typ string) {
	sub := scope.Subscription()
	w.say("reading the %ss of subscription %s", TypeWord(typ), sub)
	docs, version, err := w.client.list(ctx, scope, typ, "")
	for _, doc := range docs {
		if err == nil {
			err = w.add(doc, version, sub)
		}
	}
	if err == nil {
		return
	}
	w.unreadable(ctx, TypeWord(typ)+"s of subscription "+w.subscriptionLabel(sub), typ+"/read", scope, err)
	if typ == typeAssignment || typ == typeDeny { // a role that is not known makes its own assignments undecidable, and only those
		w.markUnread(scope, why(err))
	}
}

func (w *walk) subscriptionLabel(id string) string {
	for _, s := range w.Subscriptions {
		if strings.EqualFold(s.ID, id) {
			return s.label()
		}
	}
	return id
}

// unreadable notes what could not be read, and the right that would read it.
func (w *walk) unreadable(ctx context.Context, what, right string, scope azure.ID, err error) {
	if ctx.Err() != nil {
		return // the user has stopped; Load says so
	}
	i := Incomplete{What: what, Why: why(err), Scope: scope}
	if isStatus(err, http.StatusForbidden) {
		i.Right = right + " on " + scope.String()
	}
	w.incomplete(i)
}

// TypeWord is what a person calls a resource type.
func TypeWord(typ string) string {
	words := map[string]string{
		strings.ToLower(typeAssignment): "role assignment", strings.ToLower(typeDefinition): "role definition",
		strings.ToLower(typeDeny): "deny assignment", strings.ToLower(policy.TypeAssignment): "policy assignment", strings.ToLower(policy.TypeExemption): "policy exemption",
		strings.ToLower(policy.TypeDefinition): "policy definition", strings.ToLower(policy.TypeSet): "policy initiative", strings.ToLower(typeLock): "lock", strings.ToLower(typeEligible): "eligible roles", strings.ToLower(typeActive): "time-bound roles",
		strings.ToLower(TypeSubnet): "subnet", strings.ToLower(TypeRegistry): "registry",
		"microsoft.network/routetables": "route table", "microsoft.network/networksecuritygroups": "network security group",
		"microsoft.network/publicipaddresses": "public IP", "microsoft.network/publicipprefixes": "public IP prefix",
		"microsoft.network/natgateways": "NAT gateway", "microsoft.managedidentity/userassignedidentities": "identity",
		"microsoft.compute/diskencryptionsets": "disk encryption set", "microsoft.network/privatednszones": "private DNS zone",
		strings.ToLower(TypeNetwork): "virtual network", strings.ToLower(TypeCluster): "cluster", strings.ToLower(TypeScaleSet): "scale set",
		"microsoft.network/loadbalancers": "load balancer", "microsoft.compute/disks": "disk", strings.ToLower(TypeVault): "key vault",
		"microsoft.network/applicationgateways": "application gateway", "microsoft.network/dnszones": "DNS zone",
		"microsoft.compute/capacityreservationgroups": "capacity reservation group", "microsoft.compute/hostgroups": "host group",
	}
	if w, ok := words[strings.ToLower(typ)]; ok {
		return w
	}
	return typ
}

func isStatus(err error, status int) bool {
	var e *azcore.ResponseError
	return errors.As(err, &e) && e.StatusCode == status
}

func errorCode(err error) string {
	var e *azcore.ResponseError
	if errors.As(err, &e) {
		return e.ErrorCode
	}
	return ""
}

// why says in a few words what went wrong; the SDK's own text is a page long.
func why(err error) string {
	var e *azcore.ResponseError
	if errors.As(err, &e) {
		return strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, e.ErrorCode))
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
