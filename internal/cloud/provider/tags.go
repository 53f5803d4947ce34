package provider

import (
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

// typeTags is the tags of anything, as a resource that always is there (Microsoft.Resources/tags, api-version 2021-04-01).
// Who may write tags need not be allowed to write what carries them.
const typeTags = "Microsoft.Resources/tags"

func getTags(c *arm.Call) (arm.Doc, *azure.Error) {
	_, doc, err := tagged(c)
	return tagsDoc(c, arm.Map(doc, "tags")), err
}

func tagsDoc(c *arm.Call, tags arm.Doc) arm.Doc {
	if tags == nil {
		tags = arm.Doc{}
	}
	return arm.Doc{"id": c.ID.String(), "name": "default", "type": typeTags, "properties": arm.Doc{"tags": tags}}
}

// tagged finds what the tags are of.
func tagged(c *arm.Call) (azure.ID, arm.Doc, *azure.Error) {
	scope, _, _ := c.ID.Split()
	doc, err := c.Load(scope)
	if err == nil && doc == nil {
		return scope, nil, azure.NotFound.Format(azure.Fields{"id": scope.String()})
	}
	return scope, doc, arm.Fault(err)
}

// checkTags replaces the tags (PUT), or merges, replaces or deletes some of them (PATCH with its operation).
func checkTags(c *arm.Call) *azure.Error {
	scope, doc, err := tagged(c)
	if err != nil {
		return err
	}
	given, tags := arm.Map(c.Body, "properties.tags"), arm.Doc{}
	operation := arm.Str(c.Body, "operation")
	if c.Method == "PUT" || strings.EqualFold(operation, "Replace") {
		operation = "Replace"
	} else {
		for k, v := range arm.Map(doc, "tags") {
			tags[k] = v
		}
	}
	for k, v := range given {
		switch {
		case strings.EqualFold(operation, "Delete"):
			delete(tags, k)
		default:
			tags[k] = v
		}
	}
	c.Doc["properties"] = arm.Doc{"tags": tags}
	return setTags(c, scope, doc, tags)
}

// eraseTags takes all tags away.
func eraseTags(c *arm.Call) *azure.Error {
	scope, doc, err := tagged(c)
	if err != nil {
		return err
	}
	return setTags(c, scope, doc, arm.Doc{})
}

func setTags(c *arm.Call, scope azure.ID, doc, tags arm.Doc) *azure.Error {
	doc = arm.Clone(doc)
	doc["tags"] = tags
	return arm.Fault(c.Seed(scope, doc))
}

// forgetTags drops the document that was the way to the tags: they are kept where they belong alone.
func forgetTags(c *arm.Call) *azure.Error {
	return arm.Fault(c.Tx.Delete(directory.KindResource, c.ID.Key()))
}
