package arm

import (
	"cmp"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/rbac"
)

// Type is a resource type: what the front door needs to know to serve it.
type Type struct {
	Name   string // as RBAC actions spell it, e.g. Microsoft.Network/virtualNetworks
	Shown  string // the "type" of its documents where that differs from Name
	Source string // where its behaviour was taken from

	// Since is the first api-version, Versions those that the provider's description lists.
	// Clients ask for many; every well-formed one from Since on is served.
	Since    string
	Versions []string

	Place      Place          // where its ids may stand
	Tracked    bool           // has a location and tags
	Global     bool           // its one location is "global"
	OrGlobal   bool           // "global" is one of its locations
	ReadOnly   bool           // only its provider writes it
	NoDelete   bool           // can be written and not deleted
	Single     bool           // one without a name below each parent, as an instance view
	Bare       bool           // is listed as a bare array, without {"value"}
	BareErrors bool           // what its provider refuses has no "error" around it
	Nested     bool           // is not deleted while resources stand below it
	Identity   bool           // carries managed identities
	ETag       bool           // documents and children carry etags
	SystemData bool           // documents carry systemData
	NameRule   *regexp.Regexp // of the last name; nil: ARM's general rule
	PutMerges  bool           // a PUT leaves out what it does not change
	Codes      Codes          // status codes that clients accept
	Receipts   Receipts       // of work that its provider does after the answer
	Returns    bool           // a DELETE answers with what was deleted
	Located    bool           // the answer to a PUT that creates has a Location: the resource's id

	Links      []Link
	Back       []Back
	Children   []Child
	Keep       []string                         // members a PUT cannot remove: carried over where the request leaves them out
	InUse      *azure.Message                   // refuses a delete while another resource points here; fields: id, name, parent, user
	InUseBy    map[string]*azure.Message        // the same, for users whose type ends in the key
	Check      func(*Call) *azure.Error         // validates c.Doc and fills in what the provider computes
	Written    func(*Call) *azure.Error         // after the resource was stored
	Guard      func(*Call) *azure.Error         // may refuse a delete
	Erase      func(*Call) *azure.Error         // deletes what is no document of its own
	Steps      []Step                           // work that goes on after a PUT was accepted
	Deleting   []Step                           // work that goes on after a DELETE was accepted; the last one removes the resource
	Deleted    func(*Call) *azure.Error         // after the resource was removed
	Actions    map[string]Action                // POST, by lower-cased name
	View       func(*Call, Doc)                 // what a reader sees beyond what is stored
	Refs       func(Doc) []string               // further index entries, beside those of Links
	Attributes func(*Call) rbac.Attributes      // what conditions of role assignments read of a write or a delete
	Key        func(azure.ID) azure.ID          // where a document is stored that has several ids
	Initial    func(*Call) Doc                  // the document that is there before one is written; nil: none
	Body       func([]byte) (Doc, *azure.Error) // reads a body that is not a JSON object
	KeepsError bool                             // an operation that fails leaves its error in properties.error

	// Only for types that are no documents of their own (built-in roles, the activity log, operations).
	Get           func(*Call) (Doc, *azure.Error)
	List          func(*Call) iter.Seq2[Doc, error]
	RootOpen      bool                       // what stands at the tenant's root is everybody's to read
	Open          bool                       // Get and List decide by themselves what the caller may see
	AnyoneCreates bool                       // writing a new one needs no right
	Trims         bool                       // everyone may list; the list shows what the caller may read
	Sees          func(*Call, azure.ID) bool // of a type that trims: who sees nothing there may not list; nil: everybody does

	inside *Child // of a type that is stored in its parent
	parent *Type
}

// Place is where the ids of a type may stand.
type Place uint8

// Most resources stand in a resource group; extensions stand at any scope, with Any.
const (
	InGroup Place = iota
	InSubscription
	InTenant
	Any
)

// Codes are a type's status codes: for a created, an updated and a deleted resource, for a delete of nothing, and for a
// PATCH where it differs from an update.
type Codes struct{ Create, Update, Delete, Gone, Patch int }

// Link is a reference to another resource: whoever writes the reference needs Action there (azure-facts 3.8).
type Link struct {
	Path   string       // as Each takes it
	Action azure.Action // "": a plain reference, not checked for access; "/x/action": that of the type which is linked to
}

// Child is a collection inside of a type's documents that can be addressed by itself. It is stored once, in the parent.
type Child struct {
	Path string // of the array
	Type *Type
	Flat bool // the array's elements have the properties beside the name, as agentPoolProfiles
}

// Action is a POST on a resource. Do returns the answer's body, nil for none.
type Action struct {
	Do     func(*Call) (any, *azure.Error)
	Write  bool         // takes a writing transaction
	Long   bool         // it changes c.Doc; the type's Steps go on with that, and the answer is 202
	Then   []Step       // what goes on after Do accepted the request: the answer is 202, and 204 in the end
	RBAC   azure.Action // where it is not {type}/{name}/action
	Status int          // 200 where zero
	After  Receipt      // headers of an answer that is 202, for work that its provider does afterwards
	Open   bool         // it decides by itself what the caller may see
	Absent bool         // the resource need not be there
	Try    bool         // what it writes is taken back: it says what would become of a request
}

// Step is a part of a long operation. It runs in a transaction of its own, together with the operation's cursor:
// it is repeated after a crash, never half done. again > 0 runs the same step once more after that time.
type Step func(*Call) (again time.Duration, err *azure.Error)

// Provider is a resource provider: its types, and the first-party principal that it acts as, if it acts.
type Provider struct {
	Namespace string
	Types     []Type
	Service   directory.Principal      // zero: none
	Seed      func(*Call) *azure.Error // run once for a new data folder
	// Admit may refuse what anybody is about to write, whatever its type, or change c.Body. asked is the document that the
	// request makes of what is there, without what a provider adds: what Azure Policy sees.
	Admit func(c *Call, asked Doc) *azure.Error
	// Keep may refuse that anybody deletes what is there, whatever its type, but not what goes with it.
	Keep func(c *Call, there Doc) *azure.Error
}

// registry finds types by name.
type registry struct {
	types     map[string]*Type // by lower-cased name
	providers map[string]*Provider
	order     []*Type
}

// key is where a resource's document is stored.
func (t *Type) key(id azure.ID) string {
	if t != nil && t.Key != nil {
		return t.Key(id).Key()
	}
	return id.Key()
}

func newRegistry(providers []Provider) (*registry, error) {
	r := &registry{types: map[string]*Type{}, providers: map[string]*Provider{}}
	for i := range providers {
		p := &providers[i]
		r.providers[strings.ToLower(p.Namespace)] = p
		for j := range p.Types {
			if err := r.add(&p.Types[j]); err != nil {
				return nil, err
			}
		}
		for _, t := range operationTypes(p.Namespace) {
			if err := r.add(t); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

func (r *registry) add(t *Type) error {
	key := strings.ToLower(t.Name)
	if r.types[key] != nil {
		return fmt.Errorf("type %s is defined twice", t.Name)
	}
	if t.Shown == "" {
		t.Shown = t.Name
	}
	t.Codes = t.Codes.withDefaults()
	r.types[key] = t
	r.order = append(r.order, t)
	for i := range t.Children {
		c := &t.Children[i]
		c.Type.inside, c.Type.parent = c, t
		c.Type.ETag, c.Type.Receipts = t.ETag, t.Receipts
		if c.Type.Codes.Delete == 0 && t.Receipts.Delete != 0 {
			c.Type.Codes.Delete = t.Codes.Delete
		}
		if c.Type.Since == "" {
			c.Type.Since, c.Type.Versions = t.Since, t.Versions
		}
		if err := r.add(c.Type); err != nil {
			return err
		}
	}
	return nil
}

func (c Codes) withDefaults() Codes {
	for _, d := range []struct {
		code *int
		def  int
	}{{&c.Create, 201}, {&c.Update, 200}, {&c.Delete, 200}, {&c.Gone, 204}} {
		if *d.code == 0 {
			*d.code = d.def
		}
	}
	c.Patch = cmp.Or(c.Patch, c.Update)
	return c
}

func (r *registry) find(name string) *Type { return r.types[strings.ToLower(name)] }

func (r *registry) service(namespace string) directory.Principal {
	if p := r.providers[strings.ToLower(namespace)]; p != nil {
		return p.Service
	}
	return directory.Principal{}
}

// namespace is the provider's name in a type or action.
func namespace(name string) string { ns, _, _ := strings.Cut(name, "/"); return ns }

func (t *Type) write() azure.Action  { return azure.Action(t.Name + "/write") }
func (t *Type) read() azure.Action   { return azure.Action(t.Name + "/read") }
func (t *Type) delete() azure.Action { return azure.Action(t.Name + "/delete") }

var versionRule = regexp.MustCompile(`^20\d\d-[01]\d-[0-3]\d(-preview|-privatepreview|-alpha|-beta)?$`)

// newestVersion bounds the api-versions that are believed.
const newestVersion = "2027"

// serves reports whether an api-version is one that the type has, or may have.
func (t *Type) serves(version string) bool {
	return slices.Contains(t.Versions, version) ||
		versionRule.MatchString(version) && version[:10] >= t.Since && version < newestVersion
}
