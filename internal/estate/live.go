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
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"aksid/internal/azure"
)

// Live reads Azure, or a local Azure, through ARM and Microsoft Graph. It only reads.
type Live struct {
	From          string // azure or local
	Cloud         azure.Cloud
	Credential    azcore.TokenCredential
	Transport     policy.Transporter // nil: the SDK's
	Subscriptions []Subscription     // where clusters and registries are looked for by name; none: all that the credential sees
	Clusters      []string           // names, resourceGroup/name or ids; none: all of Subscriptions
	Group         string             // only clusters of this resource group; "" for all
	Registries    []string           // registries that the clusters pull from: names, login servers or ids
	Kube          *Kube              // objects of the cluster: what they name is read as well, as far as it is there; may be nil
	Keep          bool               // keep what is read, for Estate.Save
	Also          []azure.ID         // resources to read besides, as far as they are there and of a known type
	Ask           []azure.GUID       // objects to look up in the directory besides
	Creator       azure.GUID         // who creates and updates the clusters, by object id or client id; zero: not of interest
	Rights        bool               // ask which rights to read the caller has
	People        bool               // read who is in the groups that hold roles, and who owns these and the service principals that do
	History       History            // which part of the activity logs to read
	Progress      func(string)       // told what is being read; may be nil
}

// NotFound says that something the user named is not there.
type NotFound struct{ Message string }

func (e *NotFound) Error() string { return e.Message }

func notFound(format string, args ...any) error { return &NotFound{fmt.Sprintf(format, args...)} }

// Load implements Source.
func (l Live) Load(ctx context.Context) (*Estate, error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, err
	}
	w := &walk{builder: newBuilder(l.From), Live: l, client: c, seen: map[string]bool{}}
	w.builder.clusters = map[string]bool{}
	if l.Keep {
		w.kept = &collection{}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if len(l.Subscriptions) == 1 { // what is needed anyway is under way while the clusters are looked for
		w.subscription(ctx, l.Subscriptions[0].ID)
	}
	if err := w.start(ctx); err != nil {
		cancel()
		w.wait()
		return nil, err
	}
	w.wait()
	for _, id := range w.estate.Registries {
		if w.estate.absent[id.Key()] {
			return nil, notFound("there is no registry %s", id)
		}
	}
	w.upperHistory(ctx)
	w.pullers(ctx)
	w.wait()
	w.reach(ctx)
	w.directory(ctx)
	w.memberships(ctx)
	w.wait()
	if l.People {
		w.who(ctx)
		w.wait()
	}
	if l.Rights {
		if w.estate.Rights, err = w.self(ctx); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if at := c.began.Load(); at != nil {
		w.estate.At = *at
	}
	if l.Keep {
		w.estate.By, _ = l.Caller(ctx) // what was read is as true without it
	}
	return w.build(), nil
}

// start finds the clusters and registries that the user asks for and begins to follow them.
func (w *walk) start(ctx context.Context) error {
	names := w.Clusters
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		if err := w.clustersNamed(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range w.Registries {
		id, err := w.registryNamed(ctx, name)
		if err != nil {
			return err
		}
		w.estate.Registries = append(w.estate.Registries, id)
		w.resource(ctx, id)
	}
	w.estate.Registries = distinct(w.estate.Registries)
	if !w.Creator.IsZero() {
		w.once("app "+w.Creator.String(), func() { w.servicePrincipal(ctx, w.Creator) })
	}
	for _, id := range w.Also {
		if sub := id.Subscription(); sub != "" {
			w.subscription(ctx, sub) // also of a type that is not read
		}
		w.resource(ctx, id)
	}
	for _, sub := range w.Kube.Subscriptions() {
		w.subscription(ctx, sub)
	}
	w.workloads(ctx)
	for _, host := range w.Kube.ImageHosts() {
		if !strings.HasSuffix(host, w.Cloud.RegistrySuffix) {
			continue // no registry of this cloud: no role opens it
		}
		if id, err := w.registryNamed(ctx, host); err == nil {
			w.resource(ctx, id)
		} else if !errors.As(err, new(*NotFound)) {
			return err
		}
	}
	return nil
}

// clustersNamed finds the clusters of a name, resourceGroup/name or id; "" is every cluster.
func (w *walk) clustersNamed(ctx context.Context, name string) error {
	if id, err := azure.ParseID(name); err == nil {
		return w.clusterOf(ctx, id)
	}
	group, short, found := strings.Cut(name, "/")
	if !found {
		group, short = w.Group, name
	}
	if err := w.allSubscriptions(ctx); err != nil {
		return err
	}
	var seen []string
	matched := 0
	docs, indexed := w.indexedClusters(ctx, group, short)
	if !indexed {
		docs = w.clustersIn(ctx, group)
	}
	for _, doc := range docs {
		id := linkAt(doc, "id")
		seen = append(seen, id.ResourceGroup()+"/"+id.Name())
		if short == "" || strings.EqualFold(id.Name(), short) {
			matched++
			w.cluster(ctx, doc)
		}
	}
	switch {
	case w.refused != nil:
		return w.refused
	case matched == 0 && name != "":
		return notFound("there is no cluster %s in %s; %s", name, w.where(group), those(seen))
	}
	return nil
}

// allSubscriptions finds the subscriptions that the credential sees, where none was named.
func (w *walk) allSubscriptions(ctx context.Context) error {
	if len(w.Subscriptions) > 0 {
		return nil
	}
	w.say("reading the subscriptions")
	docs, err := w.client.pages(ctx, w.client.armBase+"/subscriptions?api-version="+versionsOf(azure.TypeSubscription)[0])
	if err != nil {
		return refusal("the subscriptions", azure.TypeSubscription+"/read", err)
	}
	for _, doc := range docs {
		w.Subscriptions = append(w.Subscriptions, Subscription{
			ID: textAt(doc, "subscriptionId"), Name: textAt(doc, "displayName"), Tenant: textAt(doc, "tenantId"),
		})
	}
	if len(docs) == 0 {
		return &Refused{Message: "this credential sees no subscription; it takes a role on one, as Reader"}
	}
	return nil
}

// Scopes are the source's subscriptions; where none was named, all that the credential sees.
func (l Live) Scopes(ctx context.Context) (out []azure.ID, err error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, err
	}
	w := &walk{builder: newBuilder(l.From), Live: l, client: c, seen: map[string]bool{}}
	if err := w.allSubscriptions(ctx); err != nil {
		return nil, err
	}
	for _, s := range w.Subscriptions {
		out = append(out, azure.SubscriptionID(s.ID))
	}
	return out, nil
}

// clustersIn lists the clusters of all subscriptions, or of the resource groups of a name in them.
// One subscription among several that cannot be read makes the answer incomplete; if it is the only one there is no answer.
func (w *walk) clustersIn(ctx context.Context, group string) []map[string]any {
	found := make([][]map[string]any, len(w.Subscriptions))
	var tasks sync.WaitGroup
	for i, s := range w.Subscriptions {
		tasks.Go(func() {
			w.say("reading the clusters of subscription %s", s.label())
			scope := azure.SubscriptionID(s.ID)
			if group != "" {
				scope = scope.Join("resourceGroups", group)
			}
			docs, _, err := w.client.list(ctx, scope, TypeCluster, "")
			if err != nil && errorCode(err) != "ResourceGroupNotFound" {
				w.unlistable(ctx, s, scope, err)
			}
			found[i] = docs
		})
	}
	tasks.Wait()
	return slices.Concat(found...)
}

func (w *walk) unlistable(ctx context.Context, s Subscription, scope azure.ID, err error) {
	what := "the clusters of subscription " + s.label()
	if len(w.Subscriptions) > 1 && ctx.Err() == nil && !errors.As(err, new(*Refused)) {
		w.incomplete(Incomplete{What: what, Why: why(err), Right: TypeCluster + "/read on " + scope.String(), Scope: scope, Clusters: true})
		return
	}
	if isStatus(err, http.StatusNotFound) {
		err = notFound("there is no subscription %s in cloud %s, or this credential does not see it; az account list --all shows yours", s.label(), w.Cloud.Name)
	} else {
		err = refusal(what, TypeCluster+"/read", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = err
}

func (s Subscription) label() string {
	if s.Name != "" {
		return s.Name
	}
	return s.ID
}

func (w *walk) where(group string) string {
	var names []string
	for _, s := range w.Subscriptions {
		names = append(names, s.label())
	}
	where := "subscription " + strings.Join(names, ", ")
	if len(names) == 0 {
		where = "any subscription"
	}
	if group != "" {
		return "resource group " + group + " of " + where
	}
	return where
}

// those names a few of what there is instead.
func those(names []string) string {
	const few = 8
	switch n := len(names); {
	case n == 0:
		return "there is none at all"
	case n > few:
		return fmt.Sprintf("there are %s and %d more", strings.Join(names[:few], ", "), n-few)
	}
	return "there is " + strings.Join(names, ", ")
}

// clusterOf reads a cluster by its id.
func (w *walk) clusterOf(ctx context.Context, id azure.ID) error {
	if !strings.EqualFold(id.Type(), TypeCluster) {
		return notFound("%s is not the id of an AKS cluster", id)
	}
	doc, _, err := w.client.get(ctx, id)
	if isStatus(err, http.StatusNotFound) {
		return notFound("there is no cluster %s", id)
	}
	if err != nil {
		return refusal("cluster "+id.String(), TypeCluster+"/read", err)
	}
	w.cluster(ctx, doc)
	return nil
}

// cluster takes a cluster and follows what it refers to.
func (w *walk) cluster(ctx context.Context, doc map[string]any) {
	c := &Cluster{Resource{ID: linkAt(doc, "id"), Doc: doc}}
	if w.add(doc, "", "") != nil {
		return
	}
	w.mu.Lock()
	w.builder.clusters[c.ID.Key()] = true
	w.mu.Unlock()
	w.subscription(ctx, c.ID.Subscription())
	for _, id := range c.References() {
		w.resource(ctx, id)
	}
	w.bindings(ctx, c)
	w.wroteIn(ctx, c)
	if name := c.KMSVaultName(); name != "" && c.Link("properties.securityProfile.azureKeyVaultKms.keyVaultResourceId").IsZero() {
		w.once("vault "+name, func() { w.vault(ctx, c.ID.Subscription(), name) })
	}
	if sp := c.identities(); len(sp) > 0 && sp[0].Role == ServicePrincipal {
		w.once("app "+sp[0].Client.String(), func() { w.servicePrincipal(ctx, sp[0].Client) })
	}
}

// bindings reads what ties the identities to machines and to pods.
func (w *walk) bindings(ctx context.Context, c *Cluster) {
	if nodes := c.NodeGroup(); !nodes.IsZero() {
		w.listing(ctx, "scale sets", TypeScaleSet+"/read", nodes, func() ([]map[string]any, string, error) {
			return w.client.list(ctx, nodes, TypeScaleSet, "")
		})
	}
	for _, id := range c.identities() {
		if id.Resource.IsZero() || id.Role != ControlPlane && id.Role != Kubelet {
			continue
		}
		w.credentials(ctx, id.Resource)
	}
}

// vault finds a key vault by its name: a key's URL says no more.
func (w *walk) vault(ctx context.Context, sub, name string) {
	docs, _, err := w.client.list(ctx, azure.SubscriptionID(sub), TypeVault, "")
	if err != nil {
		w.unreadable(ctx, "key vault "+name, TypeVault+"/read", azure.SubscriptionID(sub), err)
		return
	}
	for _, doc := range docs {
		if id := linkAt(doc, "id"); strings.EqualFold(id.Name(), name) {
			w.resource(ctx, id)
		}
	}
}

// registryNamed finds a registry by name, login server or id.
func (w *walk) registryNamed(ctx context.Context, name string) (azure.ID, error) {
	if id, err := azure.ParseID(name); err == nil {
		if !strings.EqualFold(id.Type(), TypeRegistry) {
			return id, notFound("%s is not the id of a container registry", id)
		}
		return id, nil
	}
	if len(w.Clusters) == 0 || len(w.Subscriptions) > 0 {
		if err := w.allSubscriptions(ctx); err != nil {
			return azure.ID{}, err
		}
	}
	for _, s := range w.registrySubscriptions() {
		w.say("looking for registry %s in subscription %s", name, s.label())
		docs, _, err := w.client.list(ctx, azure.SubscriptionID(s.ID), TypeRegistry, "")
		if err != nil {
			return azure.ID{}, refusal("the registries of subscription "+s.label(), TypeRegistry+"/read", err)
		}
		for _, doc := range docs {
			if id := linkAt(doc, "id"); strings.EqualFold(id.Name(), name) || strings.EqualFold(textAt(doc, "properties.loginServer"), name) {
				return id, nil
			}
		}
	}
	return azure.ID{}, notFound("there is no registry %s in %s; one elsewhere can be named by its id: az acr show --name %s --query id", name, w.where(""), name)
}

// registrySubscriptions are those that clusters were looked for in and those that they were found in.
func (w *walk) registrySubscriptions() []Subscription {
	out := slices.Clone(w.Subscriptions)
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.builder.clusters {
		sub := w.estate.resources[key].ID.Subscription()
		if !slices.ContainsFunc(out, func(s Subscription) bool { return strings.EqualFold(s.ID, sub) }) {
			out = append(out, Subscription{ID: sub})
		}
	}
	return out
}
