package act

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What is said in both directions, as it stands on the wire. A change of a line is a change of Version.
func TestWire(t *testing.T) {
	for _, c := range []struct {
		value any
		wire  string
	}{
		{&Hello{Version: 1, Kubernetes: "v1.29.15"}, `{"version":1,"kubernetes":"v1.29.15"}`},
		{&Request{ID: 1, Open: &Cluster{ID: "/c", Config: map[string]any{"vmType": "vmss"}, Machine: "/c", Nodes: []Node{{Name: "n", ID: "/m", IP: "10.0.0.4", PodCIDR: "10.244.0.0/24"}},
			Kubelet: &Kubelet{Machine: "/m", Config: map[string]any{}}, PodCIDR: "10.244.0.0/16", Elsewhere: map[string]string{"/a": "/b"}}},
			`{"id":1,"open":{"id":"/c","config":{"vmType":"vmss"},"machine":"/c","kubelet":{"machine":"/m","config":{}},"nodes":[{"name":"n","id":"/m","ip":"10.0.0.4","podCIDR":"10.244.0.0/24"}],"podCIDR":"10.244.0.0/16","elsewhere":{"/a":"/b"}}}`},
		{&Request{ID: 2, Cluster: "/c", Do: &Step{Kind: CreateService, Name: "s", Internal: true, IP: "1.2.3.4", Group: "g", Subnet: "n", Within: time.Second}},
			`{"id":2,"cluster":"/c","do":{"kind":"create-service","name":"s","internal":true,"ip":"1.2.3.4","group":"g","subnet":"n","within":1000000000}}`},
		{&Request{ID: 3, Cluster: "/c", Do: &Step{Kind: AttachDisk, Disk: "/d", DiskEncryptionSet: "/e", Node: "n", Image: "i", Persist: true}},
			`{"id":3,"cluster":"/c","do":{"kind":"attach-disk","disk":"/d","diskEncryptionSet":"/e","node":"n","image":"i","within":0,"persist":true}}`},
		{&Request{ID: 4, Cluster: "/c", Close: true}, `{"id":4,"cluster":"/c","close":true}`},
		{&Answer{ID: 2, Done: &Done{Error: "e", Result: "r", Calls: 3, Took: 5, Events: []Event{{Type: "Warning", Reason: "R", Message: "m", Object: "Service/s", Source: "x"}},
			Refused: []Refusal{{Method: "PUT", Path: "/p", Status: 403, Body: json.RawMessage(`{"error":{}}`)}}}},
			`{"id":2,"done":{"error":"e","result":"r","events":[{"type":"Warning","reason":"R","message":"m","object":"Service/s","source":"x"}],"refused":[{"method":"PUT","path":"/p","status":403,"body":{"error":{}}}],"calls":3,"took":5}}`},
		{&Answer{ID: 5, Error: "no"}, `{"id":5,"error":"no"}`},
	} {
		got, err := json.Marshal(c.value)
		if err != nil || string(got) != c.wire {
			t.Errorf("%v\n%s\nwant\n%s", err, got, c.wire)
		}
		back := reflect.New(reflect.TypeOf(c.value).Elem()).Interface()
		d := json.NewDecoder(strings.NewReader(c.wire))
		d.DisallowUnknownFields()
		if err := d.Decode(back); err != nil || !reflect.DeepEqual(back, c.value) {
			t.Errorf("%s is read as %+v, %v", c.wire, back, err)
		}
		if bytes.ContainsRune(got, '\n') {
			t.Error("a value of several lines")
		}
	}
}

// A network in another subscription is looked for where it is.
func TestPlace(t *testing.T) {
	c := &Cluster{Elsewhere: map[string]string{"/subscriptions/a/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v": "/subscriptions/b/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v"}}
	for path, want := range map[string]string{
		"/subscriptions/A/resourcegroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s": "/subscriptions/b/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
		"/subscriptions/a/resourceGroups/net": "/subscriptions/a/resourceGroups/net",
	} {
		if got := c.Place(path); got != want {
			t.Errorf("%s is at %s", path, got)
		}
	}
}
