package provider

import (
	"encoding/json"
	"regexp"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const (
	typeScopeMap = typeRegistry + "/scopeMaps"
	typeToken    = typeRegistry + "/tokens"
)

var registryChildName = regexp.MustCompile(`^[a-zA-Z0-9_-]{5,50}$`)

// systemScopeMaps are those that every registry has.
var systemScopeMaps = []struct {
	name, description string
	actions           []any
}{
	{"_repositories_admin", "Can perform all read, write and delete operations on the registry",
		[]any{"repositories/*/metadata/read", "repositories/*/metadata/write", "repositories/*/content/read", "repositories/*/content/write", "repositories/*/content/delete"}},
	{"_repositories_pull", "Can pull any repository of the registry", []any{"repositories/*/content/read"}},
	{"_repositories_pull_metadata_read", "Can perform all read operations on the registry", []any{"repositories/*/content/read", "repositories/*/metadata/read"}},
	{"_repositories_push", "Can push to any repository of the registry", []any{"repositories/*/content/read", "repositories/*/content/write"}},
	{"_repositories_push_metadata_write", "Can perform all read and write operations on the registry",
		[]any{"repositories/*/metadata/read", "repositories/*/metadata/write", "repositories/*/content/read", "repositories/*/content/write"}},
}

// plantScopeMaps gives a new registry the scope maps that every registry has.
func plantScopeMaps(c *arm.Call) *azure.Error {
	for _, m := range systemScopeMaps {
		id := azure.MustID(arm.Str(c.Doc, "id")).Join("scopeMaps", m.name)
		err := c.Seed(id, arm.Doc{"id": id.String(), "name": m.name, "type": typeScopeMap, "properties": arm.Doc{
			"type": "SystemDefined", "description": m.description, "actions": m.actions, "creationDate": c.Now.Format(timeForm), "provisioningState": "Succeeded"}})
		if err != nil {
			return arm.Fault(err)
		}
	}
	return nil
}

// scopeMapAction is what a scope map can allow (Microsoft Learn: repository-scoped permissions).
var scopeMapAction = regexp.MustCompile(`^(repositories/[a-z0-9*][a-z0-9._/*-]*/(content/(read|write|delete)|metadata/(read|write))|gateway/[^/]+/(config/(read|write)|message/(read|write)))$`)

func checkScopeMap(c *arm.Call) *azure.Error {
	for _, a := range text(arm.List(c.Doc, "properties.actions")) {
		if !scopeMapAction.MatchString(a) {
			return azure.InvalidScopeMapAction.Format(azure.Fields{"action": a})
		}
	}
	arm.Set(c.Doc, "properties.type", "UserDefined")
	created(c)
	return nil
}

func checkToken(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.status", "enabled")
	arm.Default(c.Doc, "properties.credentials", arm.Doc{})
	if old := arm.Get(c.Old, "properties.credentials.passwords"); old != nil { // a PUT does not take them away
		arm.Set(c.Doc, "properties.credentials.passwords", old)
	}
	created(c)
	return nil
}

// created fills in what a registry's children have in common.
func created(c *arm.Call) {
	at := arm.Str(c.Old, "properties.creationDate")
	if at == "" {
		at = c.Now.Format(timeForm)
	}
	arm.Set(c.Doc, "properties.creationDate", at)
	arm.Set(c.Doc, "properties.provisioningState", "Succeeded")
}

// forEver is how long a password counts that is given no expiry.
const forEver = 100 * 365 * 24 * time.Hour

// generateCredentials makes passwords of a token: the one that is named, or both. They are shown once and kept as hashes.
func generateCredentials(c *arm.Call) (any, *azure.Error) {
	id, err := azure.ParseID(arm.Str(c.Body, "tokenId"))
	if err != nil || !c.ID.Contains(id) {
		return nil, azure.LinkedInvalidProperty.Format(azure.Fields{"value": arm.Str(c.Body, "tokenId"), "path": "tokenId"})
	}
	token, err := c.Load(id)
	if err != nil {
		return nil, arm.Fault(err)
	}
	if token == nil {
		return nil, azure.NotFound.Format(azure.Fields{"id": id.String()})
	}
	until := c.Now.Add(forEver)
	if s := arm.Str(c.Body, "expiry"); s != "" {
		if until, err = time.Parse(time.RFC3339, s); err != nil {
			return nil, azure.LinkedInvalidProperty.Format(azure.Fields{"value": s, "path": "expiry"})
		}
	}
	hashes, err := passwordsOf(token)
	if err != nil {
		return nil, arm.Fault(err)
	}
	shown, kept := []any{}, []any{}
	for _, name := range []string{"password1", "password2"} {
		if want := arm.Str(c.Body, "name"); want == "" || want == name {
			value, hash := directory.NewSecret(name, c.Now, until)
			hashes[name] = hash
			shown = append(shown, passwordView(hash, value))
		}
		if hash, ok := hashes[name]; ok {
			kept = append(kept, passwordView(hash, ""))
		}
	}
	token = arm.Clone(token)
	arm.Set(token, "properties.credentials.passwords", kept)
	arm.Set(token, "_.passwords", hashes)
	if err := c.Seed(id, token); err != nil {
		return nil, arm.Fault(err)
	}
	return arm.Doc{"username": id.Name(), "passwords": shown}, nil
}

// passwordsOf are a token's passwords, as hashes by name.
func passwordsOf(token arm.Doc) (map[string]directory.Secret, error) {
	all := map[string]directory.Secret{}
	stored := arm.Map(token, "_.passwords")
	if stored == nil {
		return all, nil
	}
	raw, err := json.Marshal(stored)
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	return all, err
}

func passwordView(s directory.Secret, value string) arm.Doc {
	d := arm.Doc{"name": s.Name, "creationTime": s.From.Format(timeForm)}
	if s.Until.Before(s.From.Add(forEver)) {
		d["expiry"] = s.Until.UTC().Format(timeForm)
	}
	if value != "" {
		d["value"] = value
	}
	return d
}
