package dataplane

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociref"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// The API of ACR's own, beside the distribution API (azure-rest-api-specs: containerregistry data-plane 2021-07-01).

// Pages of lists, in elements.
const (
	pageDefault = 100
	pageMax     = 1000
)

type object = map[string]any

// catalog lists the repositories.
func (q *question) catalog() error {
	if q.r.Method != http.MethodGet {
		return errNoPath(q.r)
	}
	want := scope{"registry", "catalog", []string{"*"}}
	allows, _ := q.access()
	if !allows.covers(want) {
		return q.unauthorized(want)
	}
	i, _ := q.images(allows)
	names := []string{}
	err := q.Store.View(q.r.Context(), func(tx store.Tx) error {
		names = names[:0]
		for d, err := range tx.Scan(kindRepository, i.repo(""), "") {
			if err != nil {
				return err
			}
			var e entry
			if err := json.Unmarshal(d.Body, &e); err != nil {
				return err
			}
			if !e.Locks.List {
				names = append(names, strings.TrimPrefix(d.Key, i.repo("")))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.reply(http.StatusOK, object{"repositories": page(q, names, func(s string) string { return s })})
}

// page is a part of a list, as n and last say; the header Link leads to the next.
func page[T any](q *question, all []T, name func(T) string) []T {
	query := q.r.URL.Query()
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || n <= 0 {
		n = pageDefault
	}
	n = min(n, pageMax)
	if last := query.Get("last"); last != "" {
		at := slices.IndexFunc(all, func(v T) bool { return name(v) == last })
		if at < 0 { // it is gone: what sorts behind it by name
			at = slices.IndexFunc(all, func(v T) bool { return name(v) > last }) - 1
		}
		if at < -1 {
			return []T{}
		}
		all = all[at+1:]
	}
	if len(all) <= n {
		return all
	}
	query.Set("n", strconv.Itoa(n))
	query.Set("last", name(all[n-1]))
	q.w.Header().Set("Link", "<"+(&url.URL{Path: q.r.URL.Path, RawQuery: query.Encode()}).String()+`>; rel="next"`)
	return all[:n]
}

// metadata serves /acr/v1/….
func (q *question) metadata(path string) error {
	if path == "_catalog" {
		return q.catalog()
	}
	m := &metadataCall{question: q, repo: path}
	for _, kind := range []string{"_tags", "_manifests"} {
		if repo, ok := strings.CutSuffix(path, "/"+kind); ok {
			m.repo, m.kind = repo, kind
		} else if repo, name, ok := strings.Cut(path, "/"+kind+"/"); ok {
			m.repo, m.kind, m.name = repo, kind, name
		}
	}
	if !ociref.IsValidRepository(m.repo) || len(m.repo) > maxRepository {
		return ociregistry.ErrNameInvalid
	}
	serve, ok := metadataCalls[[3]string{q.r.Method, m.kind, has(m.name)}]
	if !ok {
		return errNoPath(q.r)
	}
	want := scope{"repository", m.repo, []string{serve.need}}
	allows, _ := q.access()
	if !allows.covers(want) {
		return q.unauthorized(want)
	}
	m.images, _ = q.images(allows)
	return serve.do(m)
}

func has(name string) string {
	if name == "" {
		return ""
	}
	return "one"
}

// metadataCall is a request about a repository, or its tags or manifests, or one of them.
type metadataCall struct {
	*question
	images *images
	repo   string
	kind   string // "", _tags or _manifests
	name   string // of a tag, or a digest; "" for all
}

// metadataCalls by method, kind and whether it is about one or all, with the action that each needs.
var metadataCalls = map[[3]string]struct {
	need string
	do   func(*metadataCall) error
}{
	{"GET", "", ""}:              {"metadata_read", (*metadataCall).show},
	{"GET", "_tags", ""}:         {"metadata_read", (*metadataCall).listTags},
	{"GET", "_tags", "one"}:      {"metadata_read", (*metadataCall).show},
	{"GET", "_manifests", ""}:    {"metadata_read", (*metadataCall).listManifests},
	{"GET", "_manifests", "one"}: {"metadata_read", (*metadataCall).show},

	{"PATCH", "", ""}:              {"metadata_write", (*metadataCall).change},
	{"PATCH", "_tags", "one"}:      {"metadata_write", (*metadataCall).change},
	{"PATCH", "_manifests", "one"}: {"metadata_write", (*metadataCall).change},

	{"DELETE", "", ""}:         {"delete", (*metadataCall).deleteRepository},
	{"DELETE", "_tags", "one"}: {"delete", (*metadataCall).untag},
}

// show answers with the attributes of a repository, a tag or a manifest.
func (m *metadataCall) show() error {
	var body object
	err := m.Store.View(m.r.Context(), func(tx store.Tx) (err error) {
		body, err = m.attributes(tx)
		return err
	})
	if err != nil {
		return err
	}
	return m.reply(http.StatusOK, body)
}

func (m *metadataCall) attributes(tx store.Tx) (object, error) {
	i, body := m.images, m.head()
	switch m.kind {
	case "_tags":
		var t tag
		ok, err := get(tx, kindTag, i.tag(m.repo, m.name), &t)
		if err == nil && !ok {
			err = wireError(azure.RegistryTagUnknown.Error(), object{"Name": m.repo, "Tag": m.name})
		}
		body["tag"] = t.view(m.name)
		return body, err
	case "_manifests":
		found, err := i.manifest(tx, m.repo, ociregistry.Digest(m.name))
		if err != nil {
			return nil, err
		}
		body["manifest"], err = m.manifestView(tx, found)
		return body, err
	}
	e, err := i.repository(tx, m.repo)
	if err != nil {
		return nil, err
	}
	for count, kind := range map[string][2]string{"manifestCount": {kindManifest, "@"}, "tagCount": {kindTag, ":"}} {
		keys, err := i.keys(tx, kind[0], m.repo+kind[1], "")
		if err != nil {
			return nil, err
		}
		body[count] = len(keys)
	}
	return e.view(body), nil
}

// head is what every answer about a repository begins with.
func (m *metadataCall) head() object { return object{"registry": m.host, "imageName": m.repo} }

// acrTime is how ACR writes times.
const acrTime = "2006-01-02T15:04:05.0000000Z"

func (e *entry) view(o object) object {
	o["createdTime"], o["lastUpdateTime"] = e.Created.Format(acrTime), e.Updated.Format(acrTime)
	o["changeableAttributes"] = object{"deleteEnabled": !e.Locks.Delete, "writeEnabled": !e.Locks.Write, "readEnabled": !e.Locks.Read, "listEnabled": !e.Locks.List}
	return o
}

func (t *tag) view(name string) object {
	return t.entry.view(object{"name": name, "digest": t.Digest, "signed": false})
}

func (m *metadataCall) manifestView(tx store.Tx, v manifest) (object, error) {
	tags := []string{}
	for d, err := range tx.Find(m.images.tags(m.repo, v.Digest)) {
		if err != nil {
			return nil, err
		}
		tags = append(tags, strings.TrimPrefix(d.Key, m.images.repo(m.repo)+":"))
	}
	o := object{"digest": v.Digest, "imageSize": v.ImageSize, "mediaType": v.MediaType, "tags": tags}
	for k, s := range map[string]string{"architecture": v.Architecture, "os": v.OS, "configMediaType": v.ConfigType} {
		if s != "" {
			o[k] = s
		}
	}
	return v.entry.view(o), nil
}

// item is an element of a list.
type item struct {
	name  string
	at    time.Time
	shown object
}

func (m *metadataCall) listTags() error {
	digest := m.r.URL.Query().Get("digest")
	return m.list("tags", func(tx store.Tx) (items []item, err error) {
		prefix := m.images.repo(m.repo) + ":"
		for d, err := range tx.Scan(kindTag, prefix, "") {
			var t tag
			if err == nil {
				err = json.Unmarshal(d.Body, &t)
			}
			if err != nil {
				return nil, err
			}
			if name := strings.TrimPrefix(d.Key, prefix); !t.Locks.List && (digest == "" || digest == string(t.Digest)) {
				items = append(items, item{name, t.Updated, t.view(name)})
			}
		}
		return items, nil
	})
}

func (m *metadataCall) listManifests() error {
	return m.list("manifests", func(tx store.Tx) (items []item, err error) {
		for v, err := range decodeAll[manifest](tx.Scan(kindManifest, m.images.repo(m.repo)+"@", "")) {
			if err != nil {
				return nil, err
			}
			if v.Locks.List {
				continue
			}
			shown, err := m.manifestView(tx, v)
			if err != nil {
				return nil, err
			}
			items = append(items, item{string(v.Digest), v.Updated, shown})
		}
		return items, nil
	})
}

// list answers with a page of a list; orderby is timeasc, timedesc or, by default, the name.
func (m *metadataCall) list(member string, read func(store.Tx) ([]item, error)) error {
	var items []item
	err := m.Store.View(m.r.Context(), func(tx store.Tx) (err error) {
		if _, err = m.images.repository(tx, m.repo); err != nil {
			return err
		}
		items, err = read(tx)
		return err
	})
	if err != nil {
		return err
	}
	order := m.r.URL.Query().Get("orderby")
	slices.SortStableFunc(items, func(a, b item) int {
		switch order {
		case "timeasc":
			return a.at.Compare(b.at)
		case "timedesc":
			return b.at.Compare(a.at)
		}
		return strings.Compare(a.name, b.name)
	})
	shown := []object{}
	for _, i := range page(m.question, items, func(i item) string { return i.name }) {
		shown = append(shown, i.shown)
	}
	body := m.head()
	body[member] = shown
	return m.reply(http.StatusOK, body)
}

// change sets changeableAttributes.
func (m *metadataCall) change() error {
	var set struct{ DeleteEnabled, WriteEnabled, ReadEnabled, ListEnabled *bool }
	if err := json.NewDecoder(http.MaxBytesReader(m.w, m.r.Body, maxForm)).Decode(&set); err != nil {
		return badRequest("body", err.Error())
	}
	var body object
	err := m.Store.Update(m.r.Context(), func(tx store.Tx) error {
		err := m.relock(tx, func(l *locks) {
			for lock, enabled := range map[*bool]*bool{&l.Delete: set.DeleteEnabled, &l.Write: set.WriteEnabled, &l.Read: set.ReadEnabled, &l.List: set.ListEnabled} {
				if enabled != nil {
					*lock = !*enabled
				}
			}
		})
		if err != nil {
			return err
		}
		body, err = m.attributes(tx)
		return err
	})
	if err != nil {
		return err
	}
	return m.reply(http.StatusOK, body)
}

// relock changes the locks of what the call is about.
func (m *metadataCall) relock(tx store.Tx, change func(*locks)) error {
	kind, key := kindRepository, m.images.repo(m.repo)
	switch m.kind {
	case "_tags":
		kind, key = kindTag, m.images.tag(m.repo, m.name)
	case "_manifests":
		kind, key = kindManifest, m.images.at(m.repo, ociregistry.Digest(m.name))
	}
	d, err := tx.Get(kind, key)
	if isNotFound(err) {
		_, err = m.attributes(tx) // says what is missing
		return err
	}
	if err != nil {
		return err
	}
	var doc map[string]json.RawMessage
	var l locks
	if err := json.Unmarshal(d.Body, &doc); err != nil {
		return err
	}
	if raw := doc["locks"]; raw != nil {
		if err := json.Unmarshal(raw, &l); err != nil {
			return err
		}
	}
	change(&l)
	if doc["locks"], err = json.Marshal(l); err != nil {
		return err
	}
	return put(tx, kind, key, doc, d.Refs...)
}

func (m *metadataCall) deleteRepository() error {
	gone, err := m.images.deleteRepository(m.r.Context(), m.repo)
	if err != nil {
		return err
	}
	return m.reply(http.StatusAccepted, object{"manifestsDeleted": gone.manifests, "tagsDeleted": gone.tags})
}

func (m *metadataCall) untag() error {
	err := m.Store.Update(m.r.Context(), func(tx store.Tx) error { return m.images.untag(tx, m.repo, m.name) })
	if err != nil {
		return err
	}
	m.w.WriteHeader(http.StatusAccepted)
	return nil
}
