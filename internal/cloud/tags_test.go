package cloud_test

import "testing"

// TestTags reads and writes tags apart from what carries them.
func TestTags(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	rt := rg + "/providers/Microsoft.Network/routeTables/r"
	op.put(rt, obj{"location": "westeurope", "tags": obj{"a": "1"}}).ok(201)
	tags := func(scope string) string { return scope + "/providers/Microsoft.Resources/tags/default" }
	if got := op.get(tags(rt)).ok(200).str("properties.tags.a"); got != "1" {
		t.Errorf("a is %q", got)
	}
	patch := func(operation string, tags2 obj) reply {
		return op.do("PATCH", tags(rt), obj{"operation": operation, "properties": obj{"tags": tags2}})
	}
	patch("Merge", obj{"b": "2"}).ok(200)
	if got := op.get(rt).ok(200); got.str("tags.a") != "1" || got.str("tags.b") != "2" {
		t.Errorf("after a merge: %s", got.raw)
	}
	patch("Delete", obj{"a": "1"}).ok(200)
	if got := op.get(rt).ok(200); got.at("tags.a") != nil || got.str("tags.b") != "2" {
		t.Errorf("after a delete: %s", got.raw)
	}
	op.delete(tags(rt)).ok(200)
	if got := op.get(rt).ok(200); len(got.at("tags").(obj)) != 0 {
		t.Errorf("after a delete of all: %s", got.raw)
	}
	op.put(tags(w.platform), obj{"properties": obj{"tags": obj{"team": "x"}}}).ok(200)
	op.get(tags(rg + "x")).ok(404)
	tagger := w.application("tagger")
	roles["Tag Contributor"] = "4a9ae827-6dc8-4573-8ac7-8239d42aa03f"
	w.grant(tagger.id, "Tag Contributor", rg)
	tagger.put(tags(rt), obj{"properties": obj{"tags": obj{"by": "tagger"}}}).ok(200)
	tagger.put(rt, obj{"location": "westeurope"}).refused(403, "AuthorizationFailed")
	if got := op.get(rt).ok(200).str("tags.by"); got != "tagger" {
		t.Errorf("by is %q", got)
	}
}
