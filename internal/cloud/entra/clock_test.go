package entra

import (
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

// TestMovedClock: what clients read is in their time, and the end of a token comes when our clock says so.
func TestMovedClock(t *testing.T) {
	te := newTester(t)
	te.Clients = func() time.Time { return start }
	before := te.token(reader)
	if strings.Contains(decoded(t, strings.Split(before, ".")[1]), "aksid_ahead") {
		t.Error("a token names a clock that nobody moved")
	}
	te.setClock(start.Add(26 * time.Hour))
	after := te.token(reader)
	for _, c := range []struct {
		name, token, code string
		now               time.Duration
	}{
		{"of before", before, azure.ExpiredAuthenticationToken.Code, 26 * time.Hour},
		{"of now", after, "", 26 * time.Hour},
		{"to its last second", after, "", 27*time.Hour - time.Second},
		{"too late", after, azure.ExpiredAuthenticationToken.Code, 27 * time.Hour},
	} {
		te.setClock(start.Add(c.now))
		if e := te.atARM("Bearer " + c.token); (e == nil) != (c.code == "") || e != nil && e.Code != c.code {
			t.Errorf("%s: %v", c.name, e)
		}
		if w := call(te.Handler(), "GET", "/v1.0/organization", c.token, nil, ""); (w.Code == 200) != (c.code == "") ||
			c.code != "" && !strings.Contains(w.Header().Get("Www-Authenticate"), "insufficient_claims") {
			t.Errorf("%s: Graph says %d %v", c.name, w.Code, w.Header())
		}
	}
	if e := te.atARM("Bearer " + after); !strings.Contains(e.Message, "expiry UTC time '3/2/2026 3:00:00 PM' is earlier than current UTC time '3/2/2026 3:00:00 PM'") {
		t.Errorf("the refusal says %s", e.Message)
	}
	if _, expiry, err := te.Token(reader, "https://"+host+"/"); err != nil || !expiry.Equal(start.Add(clientLife)) {
		t.Errorf("a token is said to end at %s, %v", expiry, err)
	}
}
