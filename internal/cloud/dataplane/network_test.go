package dataplane

import (
	"encoding/json"
	"net/http"
	"testing"
)

func TestReach(t *testing.T) {
	for _, c := range []struct {
		public, rules, client string
		want                  reach
	}{
		{"", "", "127.0.0.1:1", reached},
		{"Enabled", `{"defaultAction":"Allow"}`, "127.0.0.1:1", reached},
		{"Disabled", `{"defaultAction":"Allow"}`, "127.0.0.1:1", fenced},
		{"disabled", "", "127.0.0.1:1", fenced},
		{"SecuredByPerimeter", "", "127.0.0.1:1", fenced},
		{"Enabled", `{"defaultAction":"Deny"}`, "127.0.0.1:1", filtered},
		{"", `{"defaultAction":"deny","ipRules":[{"value":"127.0.0.1"}]}`, "127.0.0.1:1", reached},
		{"", `{"defaultAction":"Deny","ipRules":[{"value":"127.0.0.1/32"}]}`, "127.0.0.1:1", reached},
		{"", `{"defaultAction":"Deny","ipRules":[{"value":"127.0.0.0/8"}]}`, "[::ffff:127.0.0.9]:1", reached},
		{"", `{"defaultAction":"Deny","ipRules":[{"value":"::1"}]}`, "[::1]:1", reached},
		{"", `{"defaultAction":"Deny","ipRules":[{"value":"127.0.0.2"},{"value":"no address"},{"value":"10.0.0.0/8"}]}`, "127.0.0.1:1", filtered},
		{"", `{"defaultAction":"Deny","ipRules":[{"value":"0.0.0.0/0"}]}`, "no address", filtered},
	} {
		var n *rules
		if c.rules != "" {
			if err := json.Unmarshal([]byte(c.rules), &n); err != nil {
				t.Fatal(err)
			}
		}
		if got := n.reach(&http.Request{RemoteAddr: c.client}, c.public); got != c.want {
			t.Errorf("%s with %q %s: %d, want %d", c.client, c.public, c.rules, got, c.want)
		}
	}
}
