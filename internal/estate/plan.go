package estate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// plan is a Terraform plan as terraform show -json prints it (format 1.x; Terraform documentation, "JSON Output Format").
// Its resources become the documents that ARM will have once it is applied, so that everything else reads them as it
// reads Azure's. What only applying will tell is foreseen: ids as ARM forms them, principals of identities as ids that
// are made from the address of who brings them.
type plan struct {
	in        *filesReader
	file      string
	given     azure.GUID             // subscription of providers that name none
	variables map[string]any         // of the root module
	config    map[string]any         // of the root module
	providers map[string]any         // provider configurations by their key
	resources map[string]*planned    // by address
	instances map[string][]*planned  // by address without the instance key
	relevant  []string               // attributes that expressions read, as addresses with paths
	docs      map[string]Doc         // documents by the lower-cased id
	order     []*planned             // by address
	looking   map[string]bool        // values being looked for: a cycle has none
	depth     int                    // of the expression being evaluated
	spent     int                    // expressions evaluated for one value
	subs      map[string]string      // subscriptions by the key of the provider
	sources   map[string]declaration // where the configuration's resources are written, by address without keys
}

// Doc is a document of ARM on its way into an estate.
type Doc = map[string]any

// planned is an instance of a resource of a plan, or of a data source.
type planned struct {
	address, module, typ, name string         // module is the address of its module's instance; "" for the root
	key                        any            // of the instance: string or json.Number; nil without count and for_each
	data                       bool           // a data source
	made                       bool           // the plan creates it: it is not there yet
	values, unknown            map[string]any // what is known, and which members are not
	config                     map[string]any
	id                         azure.ID
}

// isPlan reports whether a document is a Terraform plan.
func isPlan(m map[string]any) bool {
	_, changes := m["resource_changes"]
	_, values := m["planned_values"]
	return textAt(m, "format_version") != "" && (changes || values)
}

// isState reports whether a document is a Terraform state, which terraform show -json prints without a plan's name.
func isState(m map[string]any) bool {
	return textAt(m, "format_version") != "" && mapAt(m, "values.root_module") != nil
}

// takePlan reads a plan once everything else was read: what exists is known then.
func (in *filesReader) takePlan(m map[string]any) error {
	if v := textAt(m, "format_version"); !strings.HasPrefix(v, "1.") && !strings.HasPrefix(v, "0.") {
		return fmt.Errorf("a Terraform plan of format %s; this aksid reads format 1", v[:min(len(v), 20)])
	}
	p := in.newPlan(m)
	if p.config == nil {
		return fmt.Errorf("a Terraform plan without its configuration; print the whole of it with: terraform show -json PLANFILE")
	}
	p.readValues(mapAt(m, "prior_state.values.root_module"), func(r *planned) bool { return r.data })
	for _, c := range listAt(m, "resource_changes") {
		p.readChange(c)
	}
	for _, r := range listAt(m, "relevant_attributes") {
		p.relevant = append(p.relevant, relevantAttribute(r))
	}
	in.later = append(in.later, p.convert)
	return nil
}

func (in *filesReader) newPlan(m map[string]any) *plan {
	return &plan{
		in: in, file: in.path, given: in.Subscription, variables: mapAt(m, "variables"),
		config: mapAt(m, "configuration.root_module"), providers: mapAt(m, "configuration.provider_config"),
		resources: map[string]*planned{}, instances: map[string][]*planned{}, docs: map[string]Doc{},
		looking: map[string]bool{}, subs: map[string]string{},
	}
}

// takeState reads a Terraform state, as terraform show -json prints it without a plan: all of it is there, and known. Roles that
// nobody gave with Terraform are not in it.
func (in *filesReader) takeState(m map[string]any) error {
	p := in.newPlan(m)
	p.config = map[string]any{}
	p.readValues(mapAt(m, "values.root_module"), func(*planned) bool { return true })
	in.later = append(in.later, p.convert)
	return nil
}

// relevantAttribute spells an element of relevant_attributes as a reference.
func relevantAttribute(v any) string {
	s := textAt(v, "resource")
	for _, step := range listAt(v, "attribute") {
		if name, ok := step.(string); ok {
			s += "." + name
		}
	}
	return s
}

// readValues takes resources of a state, in which all is known. Of the one that a plan begins with those are of interest that were
// read while it was made: data sources.
func (p *plan) readValues(module map[string]any, wanted func(*planned) bool) {
	for _, v := range listAt(module, "resources") {
		if r := p.instance(v, textAt(module, "address")); r != nil && wanted(r) {
			r.values = mapAt(v, "values")
			p.keep(r)
		}
	}
	for _, m := range listAt(module, "child_modules") {
		if m, ok := m.(map[string]any); ok {
			p.readValues(m, wanted)
		}
	}
}

// readChange takes a resource as it will be. One that is deleted has no more values; one that is only forgotten stays.
func (p *plan) readChange(v any) {
	r := p.instance(v, textAt(v, "module_address"))
	if r == nil {
		return
	}
	actions := textsAt(v, "change.actions")
	r.values, r.unknown = mapAt(v, "change.after"), mapAt(v, "change.after_unknown")
	if slices.Contains(actions, "forget") {
		r.values = mapAt(v, "change.before")
	}
	r.made = slices.Contains(actions, "create")
	if r.values != nil {
		p.keep(r)
	}
}

func (p *plan) instance(v any, module string) *planned {
	r := &planned{
		address: textAt(v, "address"), module: module, typ: textAt(v, "type"), name: textAt(v, "name"),
		key: at(v, "index"), data: textAt(v, "mode") == "data",
	}
	if r.address == "" || r.typ == "" || len(p.resources) >= maxPlanned {
		return nil
	}
	r.config = p.configOf(r)
	return r
}

// maxPlanned bounds the resources of a plan.
const maxPlanned = 200_000

func (p *plan) keep(r *planned) {
	if old := p.resources[r.address]; old != nil { // a data source that is read again when the plan is applied
		p.instances[r.block()] = slices.DeleteFunc(p.instances[r.block()], func(x *planned) bool { return x == old })
	}
	p.resources[r.address] = r
	p.instances[r.block()] = append(p.instances[r.block()], r)
}

// block is the address without the instance key.
func (r *planned) block() string { return join(r.module, r.local()) }

// local is the address inside the module, without the instance key.
func (r *planned) local() string {
	s := r.typ + "." + r.name
	if r.data {
		s = "data." + s
	}
	return s
}

func join(module, local string) string {
	if module == "" {
		return local
	}
	return module + "." + local
}

// moduleConfig is the configuration of a module by the address of one of its instances.
func (p *plan) moduleConfig(address string) map[string]any {
	config := p.config
	steps := stepsOf(address)
	for i, s := range steps {
		if i > 0 && steps[i-1].text == "module" && !s.index {
			config = mapAt(mapAt(config, "module_calls"), s.text+".module")
		}
	}
	return config
}

func (p *plan) configOf(r *planned) map[string]any {
	for _, v := range listAt(p.moduleConfig(r.module), "resources") {
		if c, ok := v.(map[string]any); ok && textAt(c, "address") == r.local() {
			return c
		}
	}
	return nil
}

// sorted are the resources in the order of their addresses.
func (p *plan) sorted() []*planned {
	if len(p.order) != len(p.resources) {
		p.order = nil
		for _, a := range slices.Sorted(maps.Keys(p.resources)) {
			p.order = append(p.order, p.resources[a])
		}
	}
	return p.order
}

// convert makes the documents and takes them in.
func (p *plan) convert() error {
	if err := p.readSources(); err != nil {
		return err
	}
	for _, r := range p.sorted() {
		if c, ok := conversions[r.typ]; ok {
			p.document(r, c)
		}
	}
	for _, r := range p.sorted() {
		if join := joins[r.typ]; join != nil {
			join(p, r)
		}
	}
	for _, clusters := range []bool{false, true} { // clusters are completed with what their identities' documents say
		for _, r := range p.sorted() {
			if strings.EqualFold(r.id.Type(), TypeCluster) != clusters {
				continue
			}
			if err := p.take(r); err != nil {
				return fmt.Errorf("%s: %w", r.address, err)
			}
		}
	}
	for _, r := range p.sorted() {
		if role := roleWriters[r.typ]; role != nil {
			role(p, r)
		}
	}
	for _, r := range p.sorted() {
		p.express(r)
	}
	p.in.planned(p.comesAfter)
	p.noteSubscriptions()
	return nil
}

// document makes the document of a resource.
func (p *plan) document(r *planned, c conversion) {
	id := p.id(r)
	if id.IsZero() {
		return
	}
	doc := Doc{"id": id.String(), "name": id.Name(), "type": c.typ}
	if l := p.text(r, "location"); l != "" {
		doc["location"] = l
	}
	if tags, ok := r.values["tags"].(map[string]any); ok {
		doc["tags"] = tags
	}
	p.identityBlock(r, doc)
	for _, f := range c.fields {
		p.field(r, doc, f)
	}
	if c.more != nil {
		c.more(p, r, doc)
	}
	p.docs[id.Key()] = doc
}

// field carries one attribute over.
func (p *plan) field(r *planned, doc Doc, f carried) {
	if f.flag {
		if v, known := r.known(f.from); known {
			if b, ok := v.(bool); ok {
				put(doc, f.to, b)
			}
		}
		return
	}
	w := wantText
	if f.link != "" {
		w = wantID(f.link)
	}
	if v := p.attribute(r, f.from, w).one(); v != "" {
		put(doc, f.to, v)
	}
}

// take takes the document of a resource into the estate.
func (p *plan) take(r *planned) error {
	doc := p.docs[r.id.Key()]
	if doc == nil || r.id.IsZero() || strings.EqualFold(r.id.Type(), typeAssignment) { // these come last
		return nil
	}
	p.in.declare(r.id, p.declarationOf(r))
	if strings.EqualFold(r.id.Type(), TypeCluster) {
		p.in.foreseeCluster(doc, r.made)
	}
	if strings.EqualFold(r.id.Type(), TypeRegistry) {
		p.in.estate.Brought = append(p.in.estate.Brought, r.id)
	}
	return p.in.add(doc, "", "")
}

// declarationOf says where a resource is written.
func (p *plan) declarationOf(r *planned) Declaration {
	d := Declaration{Location: Location{File: p.file, Address: r.address}, Creates: r.made, unsaid: p.unsaid(r)}
	if s, ok := p.sources[withoutKeys(r.address)]; ok {
		d.File, d.Line = s.file, s.line
	}
	return d
}

// noteSubscriptions says of which providers the subscription is not known.
func (p *plan) noteSubscriptions() {
	if p.subs[""] == "" {
		return
	}
	p.in.estate.names[UnnamedSubscription] = "provider's"
	p.in.incomplete(Incomplete{
		What: "the subscription of a provider", Why: "the plan names none for " + p.subs[""], Right: "the subscription: --subscription ID",
	})
}

// TargetSubscription stands for the subscription that a template will be deployed to, where nobody says which.
const TargetSubscription = "{subscription().subscriptionId}"

// UnnamedSubscription stands for the subscription of providers that name none.
const UnnamedSubscription = "00000000-0000-0000-0000-000000000000"

// Unnamed reports whether a subscription is one that a plan or template does not name.
func Unnamed(subscription string) bool {
	return subscription == UnnamedSubscription || strings.EqualFold(subscription, TargetSubscription)
}

// put sets a member at a dotted path, and makes the objects above it.
func put(doc Doc, path string, v any) {
	for {
		key, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			doc[key] = v
			return
		}
		next, ok := doc[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			doc[key] = next
		}
		doc, path = next, rest
	}
}

// keyText is an instance key as a text.
func keyText(key any) string {
	switch k := key.(type) {
	case string:
		return k
	case json.Number:
		return k.String()
	}
	return ""
}
