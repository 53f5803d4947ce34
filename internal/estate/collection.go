package estate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// collectionVersion is the version of the form in which what was read is saved. A newer one is refused.
const collectionVersion = 1

// collection is what was read, as it came, so that somebody without rights can analyse it later.
type collection struct {
	Version    int                            `json:"aksidCollection"`
	From       string                         `json:"from"`
	At         time.Time                      `json:"at,omitzero"`        // when it was read
	By         Caller                         `json:"by,omitzero"`        // who read it
	Rights     []Right                        `json:"rights,omitempty"`   // which rights that one had
	Documents  []savedDocument                `json:"documents"`          // of ARM
	Objects    []map[string]any               `json:"objects"`            // of Microsoft Graph
	Answered   []azure.PrincipalID            `json:"answered"`           // the directory was asked for these
	Absent     []azure.ID                     `json:"absent"`             // ARM was asked for these and does not have them
	Listed     []string                       `json:"listed"`             // subscriptions whose authorization was asked for
	Eligible   []string                       `json:"eligible"`           // subscriptions whose eligible roles are known
	Federated  []azure.ID                     `json:"federated"`          // identities whose federated credentials are known
	Members    [][2]azure.PrincipalID         `json:"members"`            // group, member
	Owners     [][2]azure.PrincipalID         `json:"owners"`             // group or service principal, owner
	People     []azure.PrincipalID            `json:"people"`             // groups and service principals all of whose members and owners are among these
	Unsure     map[string][]azure.PrincipalID `json:"unsure"`             // principal → groups it may be in
	Events     []map[string]any               `json:"events"`             // of the activity logs
	Logged     map[string]time.Time           `json:"logged"`             // activity logs that are known, as LogOf names them, and since when
	Unlogged   []Incomplete                   `json:"unlogged,omitempty"` // those above subscriptions that could not be read
	Unread     []savedUnread                  `json:"unread"`
	Incomplete []Incomplete                   `json:"incomplete"`
	Clusters   []azure.ID                     `json:"clusters"`   // those that were asked for
	Registries []azure.ID                     `json:"registries"` // those that the user named
	Below      map[string][]azure.ID          `json:"below"`      // resources in scopes that were listed
	BuiltIn    bool                           `json:"builtIn"`    // built-in roles that are not among the documents are this program's own
}

type savedDocument struct {
	Version      string         `json:"version,omitempty"`      // api-version
	Subscription string         `json:"subscription,omitempty"` // that it was listed in
	Document     map[string]any `json:"document"`
}

type savedUnread struct {
	Scope azure.ID `json:"scope"`
	Why   string   `json:"why"`
}

// ErrNotKept says that a source did not keep what it read.
var ErrNotKept = errors.New("what was read was not kept")

// Save writes what was read, for Files to read again. The source must have been told to keep it.
func (e *Estate) Save(w io.Writer) error {
	if e.kept == nil {
		return ErrNotKept
	}
	return json.NewEncoder(w).Encode(e.kept)
}

// keepDocument notes a document for Save.
func (b *builder) keepDocument(doc map[string]any, version, subscription string) {
	if b.kept != nil {
		b.kept.Documents = append(b.kept.Documents, savedDocument{version, subscription, doc})
	}
}

func (b *builder) keepObject(doc map[string]any, typ string) {
	if b.kept == nil {
		return
	}
	if typ != "" {
		doc = maps.Clone(doc)
		doc["@odata.type"] = "#microsoft.graph." + strings.ToLower(typ[:1]) + typ[1:]
	}
	b.kept.Objects = append(b.kept.Objects, doc)
}

// seal completes what Save writes.
func (b *builder) seal() {
	c, e := b.kept, b.estate
	if c == nil {
		return
	}
	c.Version, c.From, c.At, c.By, c.Incomplete, c.Registries, c.Below = collectionVersion, e.From, e.At, e.By, e.Incomplete, e.Registries, e.below
	c.Logged, c.Unlogged, c.Rights = e.logged, e.Unlogged, e.Rights
	for _, v := range e.events {
		c.Events = append(c.Events, v.Doc)
	}
	c.Answered, c.People = sortedIDs(e.asked), sortedIDs(e.people)
	for _, key := range slices.Sorted(maps.Keys(e.absent)) {
		c.Absent = append(c.Absent, azure.MustID(key))
	}
	c.Eligible = slices.Sorted(maps.Keys(e.eligible))
	for _, key := range slices.Sorted(maps.Keys(e.federated)) {
		c.Federated = append(c.Federated, azure.MustID(key))
	}
	c.Members = slices.SortedFunc(maps.Keys(b.members), func(x, y [2]azure.PrincipalID) int {
		return cmp.Or(x[0].Compare(y[0]), x[1].Compare(y[1]))
	})
	for _, p := range sortedIDs(e.owners) {
		for _, owner := range e.owners[p] {
			c.Owners = append(c.Owners, [2]azure.PrincipalID{p, owner})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.unread)) {
		c.Unread = append(c.Unread, savedUnread{b.unread[key].Scope, b.unread[key].Why})
	}
	c.Unsure = map[string][]azure.PrincipalID{}
	for p, groups := range e.unsure {
		c.Unsure[p.String()] = groups
	}
	for _, cluster := range e.Clusters {
		c.Clusters = append(c.Clusters, cluster.ID)
	}
	e.kept = c
}

// sortedIDs are the keys of a map, in their order.
func sortedIDs[V any](m map[azure.PrincipalID]V) []azure.PrincipalID {
	return slices.SortedFunc(maps.Keys(m), azure.GUID.Compare)
}

// isCollection reports whether a document is what Save wrote.
func isCollection(m map[string]any) bool { _, ok := m["aksidCollection"]; return ok }

// restore takes what Save wrote. The documents, by far the most of it, are taken as they were decoded.
func (in *filesReader) restore(m map[string]any) error {
	documents, objects, events := listAt(m, "documents"), listAt(m, "objects"), listAt(m, "events")
	rest := maps.Clone(m)
	delete(rest, "documents")
	delete(rest, "objects")
	delete(rest, "events")
	text, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	for i, s := range documents {
		err := in.add(mapAt(s, "document"), textAt(s, "version"), textAt(s, "subscription"))
		if err != nil && !errors.Is(err, errMalformed) {
			return fmt.Errorf("document %d: %w", i, err)
		}
	}
	for _, o := range objects {
		if doc, ok := o.(map[string]any); ok {
			in.addObject(doc, "")
		}
	}
	for _, v := range events {
		doc, _ := v.(map[string]any)
		in.addEvent(doc)
	}
	return in.restoreRest(text)
}

// restoreRest takes what Save wrote beside the documents.
func (in *filesReader) restoreRest(text []byte) error {
	var c collection
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("not a collection: %w", err)
	}
	if c.Version > collectionVersion {
		return fmt.Errorf("saved by a newer version of aksid (form %d); this one reads form %d", c.Version, collectionVersion)
	}
	in.answered(c.Answered...)
	for _, id := range c.Absent {
		in.markAbsent(id)
	}
	return in.restoreGaps(&c)
}

// restoreGaps takes what is not known.
func (in *filesReader) restoreGaps(c *collection) error {
	for _, sub := range c.Listed {
		in.listed[strings.ToLower(sub)] = true
	}
	if c.At.After(in.estate.At) {
		in.estate.At, in.estate.By, in.estate.Rights = c.At, c.By, c.Rights
	}
	in.estate.Unlogged = append(in.estate.Unlogged, c.Unlogged...)
	in.denyListed = in.denyListed || len(c.Listed) > 0
	for _, sub := range c.Eligible {
		in.noteEligible(sub)
	}
	for _, id := range c.Federated {
		in.noteFederated(id)
	}
	for _, m := range c.Members {
		in.addMember(m[0], m[1])
	}
	for _, o := range c.Owners {
		in.addOwner(o[0], o[1])
	}
	for _, p := range c.People {
		in.estate.people[p] = true
	}
	for _, u := range c.Unread {
		in.unread[u.Scope.Key()] = rbac.Unread{Scope: u.Scope, Why: u.Why}
	}
	for sub, since := range c.Logged {
		in.noteLogged(strings.ToLower(sub), since)
	}
	for p, groups := range c.Unsure {
		principal, err := azure.ParseGUID(p)
		if err != nil {
			return err
		}
		in.unsureOf(principal, groups)
	}
	in.collected = in.collected || len(c.Listed) > 0
	in.builtIn = in.builtIn || c.BuiltIn
	in.estate.Incomplete = append(in.estate.Incomplete, c.Incomplete...)
	in.estate.Registries = append(in.estate.Registries, c.Registries...)
	maps.Copy(in.estate.below, c.Below)
	if c.Clusters != nil && in.clusters == nil {
		in.clusters = map[string]bool{}
	}
	for _, id := range c.Clusters {
		in.clusters[id.Key()] = true
	}
	return nil
}
