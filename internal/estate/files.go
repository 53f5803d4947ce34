package estate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Files reads what az printed as JSON (az aks show, az role assignment list, az identity show …, az monitor activity-log
// list), what ARM and Microsoft Graph answered, what Save wrote, Terraform plans (terraform show -json) and ARM templates with their parameter files:
// from one file or from those of a folder and its subfolders, each recognised by what is in it. The same as YAML (az -o yaml), as
// Azure PowerShell makes it with ConvertTo-Json, and as the portal downloads it (CSV) will do.
type Files struct {
	Path         string
	Parameters   string     // file with a template's parameters; "": the one beside it, if there is one
	Subscription azure.GUID // where plans and templates go that do not say; zero: it is not known
	Clusters     []string   // names, resourceGroup/name or ids; none: all that the files hold
	Group        string     // only clusters of this resource group; "" for all
	Registries   []string   // registries that the clusters pull from: names, login servers or ids
	Keep         bool       // keep what is read, for Estate.Save
}

// Bounds of a folder.
const (
	maxFiles  = 10_000
	maxFolder = 16 << 30 // bytes in all: collections of fleets are large, and read piece by piece
)

// Load implements Source.
func (f Files) Load(ctx context.Context) (*Estate, error) {
	b := newBuilder(f.Path)
	if f.Keep {
		b.kept = &collection{}
	}
	paths, err := f.paths()
	if err != nil {
		return nil, err
	}
	in := filesReader{builder: b, Files: f, listed: map[string]bool{}, parameters: map[string][]byte{}}
	for _, p := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := in.read(ctx, p); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := in.foresee(); err != nil {
		return nil, err
	}
	if err := in.nameRegistries(f.Registries); err != nil {
		return nil, err
	}
	if !in.collected || in.builtIn {
		in.completeRoles()
	}
	if len(in.later) > 0 {
		in.unseenGrants()
	} else {
		in.markGaps()
	}
	if b.kept != nil {
		b.kept.Listed = slices.Sorted(maps.Keys(in.listed))
	}
	e := b.build()
	return e, e.keep(f.Clusters, f.Group)
}

// keep drops the clusters that were not asked for. Each name must fit one at least.
func (e *Estate) keep(names []string, group string) error {
	var kept []*Cluster
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		fits := slices.DeleteFunc(slices.Clone(e.Clusters), func(c *Cluster) bool {
			return !c.Named(name) || group != "" && !strings.EqualFold(c.ID.ResourceGroup(), group)
		})
		if len(fits) == 0 && name != "" {
			return notFound("there is no cluster %s in %s; %s", name, e.From, those(clusterNames(e.Clusters)))
		}
		kept = append(kept, fits...)
	}
	e.Clusters = slices.DeleteFunc(e.Clusters, func(c *Cluster) bool { return !slices.Contains(kept, c) })
	return nil
}

// Named reports whether a cluster goes by a name, resourceGroup/name or id; every one goes by "".
func (c *Cluster) Named(name string) bool {
	return name == "" || strings.EqualFold(c.ID.Name(), name) || strings.EqualFold(c.ID.ResourceGroup()+"/"+c.ID.Name(), name) ||
		strings.EqualFold(c.ID.String(), name)
}

func clusterNames(cs []*Cluster) []string {
	var out []string
	for _, c := range cs {
		out = append(out, c.ID.ResourceGroup()+"/"+c.ID.Name())
	}
	return out
}

func (f Files) paths() ([]string, error) {
	info, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file or folder %s", f.Path)
	}
	if err != nil || !info.IsDir() {
		return []string{f.Path}, err
	}
	var out []string
	var total int64
	err = filepath.WalkDir(f.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !isOneOf(strings.ToLower(filepath.Ext(path)), ".json", ".csv", ".yaml", ".yml") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out, total = append(out, path), total+info.Size()
		if len(out) > maxFiles || total > maxFolder {
			return fmt.Errorf("%s holds more than %d files or %d MiB of JSON", f.Path, maxFiles, maxFolder>>20)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s holds no .json files", f.Path)
	}
	return out, err
}

// ofFolder reports whether the files are those of a folder, in which others may be as well.
func (f Files) ofFolder() bool {
	info, err := os.Stat(f.Path)
	return err == nil && info.IsDir()
}

// ofAzure reports whether a file of a folder can be one of Azure's: of YAML and CSV most are somebody else's.
func ofAzure(path string, text []byte) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return azYAML.Match(text)
	case ".csv":
		return csvHead.Match(firstLine(text))
	}
	return true
}

// filesReader reads documents and keeps track of what a set of files says nothing about.
type filesReader struct {
	*builder
	Files
	path       string            // of the file being read
	text       []byte            // of the file being read
	later      []func() error    // plans and templates: they are read when everything else is known
	parameters map[string][]byte // parameter files by their path
	listed     map[string]bool   // lower-cased subscriptions whose role assignments are all in the files
	denyListed bool              // there is a list of deny assignments, or one that is empty: az prints no other as {"value": []}
	builtIn    bool              // built-in roles that the files lack are the program's own, although what was saved is among them
	collected  bool              // what was saved is among the files: it tells itself what it lacks
	current    listing
}

// listing is what one file shows of role assignments.
type listing struct {
	subscriptions map[string]bool // lower-cased
	principals    map[azure.PrincipalID]bool
}

func (in *filesReader) read(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if streams(r) {
		return in.readCollection(ctx, r)
	}
	if in.text, err = readText(r); err != nil {
		return err
	}
	if in.ofFolder() && !ofAzure(path, in.text) {
		return nil
	}
	v, err := decodeFile(path, in.text)
	if err != nil {
		return err
	}
	in.path = path
	in.current = listing{map[string]bool{}, map[azure.PrincipalID]bool{}}
	defer in.noteListing()
	return in.take(v)
}

// foresee reads the plans and templates.
func (in *filesReader) foresee() error {
	for _, read := range in.later {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// noteListing learns what a file listed. Assignments of one principal alone are what az role assignment list --assignee
// prints: they say nothing about any other.
func (in *filesReader) noteListing() {
	for sub := range in.current.subscriptions {
		if len(in.current.principals) > 1 {
			in.listed[sub] = true
			continue
		}
		for p := range in.current.principals {
			in.listedOnly(sub, p)
		}
	}
}

// take sorts a value: a document, an array of them, ARM's and Graph's {"value": […]}, or Resource Graph's {"data": […]}.
func (in *filesReader) take(v any) error {
	m, ok := v.(map[string]any)
	switch {
	case isCollection(m):
		return in.restore(m)
	case isPlan(m):
		return in.takePlan(m)
	case isState(m):
		return in.takeState(m)
	case isTemplate(m):
		return in.takeTemplate()
	case isParameters(m):
		in.parameters[in.path] = in.text
		return nil
	}
	if list, isList := m["value"].([]any); isList {
		v, ok = list, false
		in.denyListed = in.denyListed || len(list) == 0
	} else if list, isList := m["data"].([]any); isList && textAt(m, "id") == "" {
		v, ok = list, false
	}
	if !ok {
		list, ok := v.([]any)
		if !ok {
			return errors.New("neither a document nor a list of documents")
		}
		return in.takeList(list)
	}
	return in.takeDoc(m)
}

func (in *filesReader) takeList(list []any) error {
	for i, x := range list {
		m, ok := x.(map[string]any)
		if !ok {
			return fmt.Errorf("element %d is no document", i)
		}
		if err := in.takeDoc(m); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

func (in *filesReader) takeDoc(m map[string]any) error {
	if isEvent(m) {
		in.takeEvent(m)
		return nil
	}
	if old := m; old["id"] == nil {
		if m = spelled(m); m["id"] != nil && cutOff(old) {
			return errors.New("PowerShell has cut it off; save it with: ConvertTo-Json -Depth 20")
		}
	}
	text := textAt(m, "id")
	if _, err := azure.ParseGUID(text); err == nil {
		in.takeObject(m)
		return nil
	}
	if strings.HasPrefix(text, "NA(") {
		return nil // a classic administrator, as old az lists them: they are retired
	}
	if text == "" {
		if at(m, "identityProfile") != nil || at(m, "nodeResourceGroup") != nil {
			return errors.New("a cluster without its id; save az aks show without --query")
		}
		return errors.New("a document without an id")
	}
	doc := unflatten(m).(map[string]any)
	switch strings.ToLower(mustType(text)) {
	case strings.ToLower(typeAssignment):
		in.noteAssignment(doc)
	case strings.ToLower(typeDeny):
		in.denyListed = true
	}
	return in.add(doc, "", "")
}

// takeObject takes what az account show or Microsoft Graph printed: both have a GUID as their id.
func (in *filesReader) takeObject(m map[string]any) {
	if textAt(m, "environmentName") == "" {
		in.addObject(m, "")
		return
	}
	sub := textAt(m, "id")
	in.estate.names[strings.ToLower(sub)] = textAt(m, "name")
	id := azure.SubscriptionID(sub)
	in.estate.resources[id.Key()] = Resource{ID: id, Doc: map[string]any{"id": id.String(), "tenantId": textAt(m, "tenantId")}}
}

// takeEvent takes an entry of an activity log. az lists the newest ones, so what is known begins with the oldest of them.
func (in *filesReader) takeEvent(m map[string]any) {
	if v, ok := in.addEvent(m); ok {
		in.noteLogged(v.Scope.Subscription(), v.Time)
	}
}

func mustType(id string) string {
	parsed, err := azure.ParseID(id)
	if err != nil {
		return ""
	}
	return parsed.Type()
}

// noteAssignment learns from an assignment which subscription was listed: az names it in the role definition's id.
func (in *filesReader) noteAssignment(doc map[string]any) {
	sub := linkAt(doc, "properties.roleDefinitionId").Subscription()
	if sub == "" {
		sub = scopeOf(Resource{ID: linkAt(doc, "id"), Doc: doc}).Subscription()
	}
	if sub != "" {
		in.current.subscriptions[strings.ToLower(sub)] = true
	}
	p := guidAt(doc, "properties.principalId")
	in.current.principals[p] = true
	in.noteName(p, at(doc, "properties.principalName"))
}

// noteName learns from az's listing who exists: it prints a name, an empty one where the directory has no such object,
// and none where it could not ask.
func (in *filesReader) noteName(p azure.PrincipalID, name any) {
	text, asked := name.(string)
	if !asked {
		return
	}
	if text == "" {
		in.answered(p)
		return
	}
	if _, err := azure.ParseGUID(text); err == nil { // the client id of a service principal is no name
		text = ""
	}
	in.putObject(Object{ID: p, Name: text})
}

// completeRoles takes the built-in roles from the program's own table where the files do not have them.
func (in *filesReader) completeRoles() {
	if in.kept != nil {
		in.kept.BuiltIn = true
	}
	for _, g := range in.grants {
		in.completeRole(g.Role)
	}
	for _, s := range in.schedules {
		in.completeRole(s.Grant.Role)
	}
	for _, v := range in.events {
		if v.Grant != nil {
			in.completeRole(v.Grant.Role)
		}
	}
}

func (in *filesReader) completeRole(id azure.GUID) {
	if _, ok := in.roles[id]; ok {
		return
	}
	if r, ok := rbac.BuiltInRole(id.String()); ok {
		in.roles[id] = *r
	}
}

// markGaps makes Unread what the files say nothing about: role assignments of subscriptions that were not listed.
func (in *filesReader) markGaps() {
	wanted := map[string]bool{}
	for _, r := range in.estate.resources {
		if strings.EqualFold(r.ID.Type(), TypeCluster) {
			for _, id := range append((&Cluster{r}).References(), r.ID) {
				wanted[strings.ToLower(id.Subscription())] = true
			}
		}
	}
	for _, id := range in.estate.Registries {
		wanted[strings.ToLower(id.Subscription())] = true
	}
	delete(wanted, "")
	if len(wanted) > 0 && !in.denyListed {
		in.incomplete(Incomplete{
			What: "deny assignments", Why: "the files hold none",
			Right: "the output of: az rest --url /subscriptions/{subscriptionId}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01",
		})
	}
	in.namelessPrincipals()
	for sub := range wanted {
		switch {
		case in.listed[sub]:
			delete(in.estate.listedOnly, sub)
		case in.estate.listedOnly[sub] == nil:
			in.unlisted(azure.SubscriptionID(sub))
		}
	}
	if !in.collected {
		in.unsureOf(azure.PrincipalID{}, slices.SortedFunc(in.groupsWithoutMembers(), azure.GUID.Compare))
	}
}

// namelessPrincipals notes which service principals of clusters the files do not tell the object id of.
func (in *filesReader) namelessPrincipals() {
	for _, r := range in.estate.resources {
		if !strings.EqualFold(r.ID.Type(), TypeCluster) {
			continue
		}
		for _, id := range (&Cluster{r}).identities() {
			if _, ok := in.estate.byApp[id.Client]; id.Role == ServicePrincipal && !ok {
				in.incomplete(Incomplete{
					What: "the object id of service principal " + id.Client.String(), Why: "the files do not tell it",
					Right: "the output of: az ad sp show --id " + id.Client.String(),
				})
			}
		}
	}
}

// groupsWithoutMembers are the groups that hold roles and whose members no file tells.
func (in *filesReader) groupsWithoutMembers() iter.Seq[azure.PrincipalID] {
	told := map[azure.PrincipalID]bool{}
	for m := range in.members {
		told[m[0]] = true
	}
	return func(yield func(azure.PrincipalID) bool) {
		for _, g := range in.grants {
			if strings.EqualFold(g.PrincipalType, "Group") && !told[g.Principal] && !yield(g.Principal) {
				return
			}
		}
	}
}

func (in *filesReader) unlisted(sub azure.ID) {
	const why = "the files hold none"
	in.markUnread(sub, why)
	in.incomplete(Incomplete{
		What: "role assignments of subscription " + in.estate.SubscriptionName(sub.Subscription()), Why: why, Scope: sub,
		Right: "the output of: az role assignment list --all --subscription " + sub.Subscription(),
	})
}

// nameRegistries finds the registries that the user named among the documents.
func (in *filesReader) nameRegistries(names []string) error {
	for _, name := range names {
		id, err := in.registry(name)
		if err != nil {
			return err
		}
		in.estate.Registries = append(in.estate.Registries, id)
	}
	in.estate.Registries = distinct(in.estate.Registries)
	return nil
}

func (in *filesReader) registry(name string) (azure.ID, error) {
	if id, err := azure.ParseID(name); err == nil {
		return id, nil
	}
	for _, r := range in.estate.resources {
		if !strings.EqualFold(r.ID.Type(), TypeRegistry) {
			continue
		}
		if strings.EqualFold(r.ID.Name(), name) || strings.EqualFold(r.Text("properties.loginServer"), name) {
			return r.ID, nil
		}
	}
	return azure.ID{}, fmt.Errorf("no registry %s among the files; add the output of: az acr show --name %s", name, name)
}

// armKeys are the members of an ARM document that stand beside its properties.
var armKeys = []string{
	"id", "name", "type", "location", "tags", "sku", "identity", "zones", "kind", "plan", "etag", "managedBy",
	"extendedLocation", "systemData", "properties", "resourceGroup", "resourceGuid",
}

// unflatten undoes what az does to ARM's documents when it prints them: the members of properties stand beside the id.
// It also does so for children printed inside their parent, which have an id as well.
func unflatten(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = unflatten(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = unflatten(v[k])
		}
		for az, arm := range azSpelling {
			if value, ok := v[az]; ok && v[arm] == nil {
				v[arm] = value
				delete(v, az)
			}
		}
		if id, err := azure.ParseID(textAt(v, "id")); err == nil && id.Type() != azure.TypeSubscription {
			wrap(v)
		}
	}
	return v
}

// azSpelling are members of clusters and their pools that az spells in its own way, and how ARM does.
var azSpelling = map[string]string{
	"vnetSubnetId": "vnetSubnetID", "podSubnetId": "podSubnetID", "osDiskSizeGb": "osDiskSizeGB", "osSku": "osSKU",
	"capacityReservationGroupId": "capacityReservationGroupID", "hostGroupId": "hostGroupID", "proximityPlacementGroupId": "proximityPlacementGroupID",
	"diskEncryptionSetId": "diskEncryptionSetID", "privateDnsZone": "privateDNSZone", "privateFqdn": "privateFQDN", "issuerUrl": "issuerURL",
	"enableRbac": "enableRBAC", "resourceUid": "resourceUID", "outboundIps": "outboundIPs", "outboundIpPrefixes": "outboundIPPrefixes",
	"publicIps": "publicIPs", "publicIpPrefixes": "publicIPPrefixes", "managedOutboundIps": "managedOutboundIPs", "effectiveOutboundIps": "effectiveOutboundIPs",
}

// wrap moves the members that are properties into properties.
func wrap(m map[string]any) {
	if _, ok := m["properties"].(map[string]any); ok {
		return
	}
	properties := map[string]any{}
	for k, v := range m {
		if !slices.Contains(armKeys, k) {
			properties[k] = v
			delete(m, k)
		}
	}
	if len(properties) > 0 {
		m["properties"] = properties
	}
}
