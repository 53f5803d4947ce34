package cloud_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestHostileBodies writes resources of network and compute with bodies in which one or two values are replaced by
// something else: whatever comes of it, it is an answer, and what was written can be read and removed.
func TestHostileBodies(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op, net := w.operator, s.own+"/providers/Microsoft.Network/"
	op.put(net+"virtualNetworks/own", withSubnets(network("10.1.0.0/16"), subnet("near", "10.1.4.0/22"), subnet("links", "10.1.8.0/24"))).ok(201)
	near := net + "virtualNetworks/own/subnets/near"
	op.put(net+"privateDnsZones/own.test", obj{"location": "global"}).ok(201)
	op.put(net+"privateEndpoints/own", properties(obj{"subnet": ref(near), "privateLinkServiceConnections": []obj{{"name": "c", "properties": obj{"privateLinkServiceId": s.registry, "groupIds": []string{"registry"}}}}})).ok(201)
	op.put(net+"networkInterfaces/own", properties(obj{"ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(near)}}}})).ok(201)
	op.put(s.own+"/providers/Microsoft.Compute/virtualMachineScaleSets/own", setOf(1, obj{"subnet": ref(near)}, nil, nil)).ok(201)
	seeds := append(append(networkLinks(s), nearLinks(s, near, net+"virtualNetworks/own/subnets/links")...), computeLinks(s, near, net+"networkInterfaces/own")...)
	r := rand.New(rand.NewPCG(1, 2))
	for i, l := range seeds {
		body, _ := json.Marshal(l.body)
		for n := range 10 {
			var b any
			_ = json.Unmarshal(body, &b)
			for range 1 + r.IntN(2) {
				b = garble(r, b)
			}
			path := s.own + "/providers/" + l.path
			if !strings.Contains(l.path, "/own") {
				path += fmt.Sprintf("x%d-%d", i, n)
			}
			for _, step := range []struct{ method, path string }{{"PUT", path}, {"GET", path}, {"GET", path[:strings.LastIndexByte(path, '/')]}, {"PATCH", path}, {"DELETE", path}} {
				if step.method == "DELETE" && strings.Contains(l.path, "/own/virtualMachines") {
					continue
				}
				if got := op.do(step.method, step.path, b); got.status >= 500 {
					t.Fatalf("%s %s with %s: %d %s", step.method, step.path, asJSON(b), got.status, got.raw)
				}
			}
		}
	}
}

// garble replaces a value somewhere in v, or a member's name.
func garble(r *rand.Rand, v any) any {
	if r.IntN(4) > 0 {
		switch x := v.(type) {
		case map[string]any:
			if len(x) > 0 {
				k := slices.Sorted(maps.Keys(x))[r.IntN(len(x))]
				x[k] = garble(r, x[k])
				return x
			}
		case []any:
			if len(x) > 0 {
				i := r.IntN(len(x))
				x[i] = garble(r, x[i])
				return append(x, x[:r.IntN(2)]...)
			}
		}
	}
	return []any{nil, true, 0, -1, 1e30, "", "x", "a/b", "/", "//", "/subscriptions/x", "/subscriptions/x/providers/y", "10.0.0.0/33", "::/0", strings.Repeat("n", 300), "é\u0000\n", obj{}, obj{"id": 1}, obj{"id": "/"}, []any{}, []any{nil}, []any{[]any{}}, []any{obj{"name": nil}}}[r.IntN(23)]
}
