package watch

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// errKilled ends a watcher as SIGKILL does: nothing runs after it.
var errKilled = errors.New("killed")

// killer kills at a random one of the steps that reach outside of the process.
type killer struct {
	r    *rand.Rand
	odds int // one in so many steps; 0: never
}

func (k *killer) here() {
	if k.odds > 0 && k.r.IntN(k.odds) == 0 {
		panic(errKilled)
	}
}

// mortal is a store whose process may be killed before and after it is written.
type mortal struct {
	store
	k *killer
}

func (m mortal) save(s *state) error {
	m.k.here()
	err := m.store.save(s)
	m.k.here()
	return err
}

// receiver is a webhook that fails now and then.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	r    *rand.Rand
	got  map[string]int // by event
	down bool
}

func newReceiver(t *testing.T, r *rand.Rand) *receiver {
	x := &receiver{r: r, got: map[string]int{}}
	x.Server = httptest.NewServer(x)
	t.Cleanup(x.Close)
	return x
}

func (x *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var body sent
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if x.down || x.r != nil && x.r.IntN(4) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for _, id := range body.Data.Events {
		x.got[id]++
	}
	if x.r != nil && x.r.IntN(8) == 0 { // it has the notice, and the watcher does not hear of it
		w.WriteHeader(http.StatusBadGateway)
	}
}

// Whatever the log does, and wherever the watcher is killed: every entry is told of exactly once in the file that notices are
// appended to, and at least once to the webhook and on the output.
func TestKilled(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { killed(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func killed(t *testing.T, r *rand.Rand) {
	w := newWorld(t)
	w.shuffle = r
	w.busy = func(string) error {
		if r.IntN(6) == 0 {
			return errors.New("429: too many requests")
		}
		return nil
	}
	hook := newReceiver(t, r)
	k := &killer{r: r}
	o := w.options()
	dir := t.TempDir()
	o.State, o.Append, o.Note = filepath.Join(dir, "state"), filepath.Join(dir, "notices"), func(string, ...any) {}
	printed := map[string]int{}
	o.Print = func(notices []Notice) error {
		for _, n := range notices {
			k.here()
			for _, id := range n.Events {
				printed[id]++
			}
		}
		return nil
	}
	var err error
	if o.Webhook, err = NewWebhook(hook.URL, "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	live(t, o, k) // from here on it is known what is new
	want := map[string]bool{}
	k.odds = 8
	for range 60 {
		for range r.IntN(4) {
			w.happen(r, want)
		}
		w.now = w.now.Add(time.Duration(1+r.IntN(9)) * time.Minute)
		if r.IntN(20) == 0 {
			w.now = w.now.Add(time.Duration(r.IntN(80)) * time.Hour) // nobody watches for days
		}
		live(t, o, k)
		tear(t, o, r)
	}
	k.odds, w.busy, hook.r = 0, nil, nil
	w.now = w.now.Add(time.Hour) // the log has everything by now
	live(t, o, k)
	inFile := eventsIn(t, o.Append)
	for id := range want {
		if inFile[id] != 1 || hook.got[id] == 0 || printed[id] == 0 {
			t.Errorf("%s: %d in the file, %d to the webhook, %d printed", id, inFile[id], hook.got[id], printed[id])
		}
	}
	for id := range inFile {
		if !want[id] {
			t.Errorf("%s is none of ours", id)
		}
	}
	if len(want) < 20 {
		t.Errorf("only %d entries", len(want))
	}
}

// happen adds an entry to the log, which is up to 20 minutes late. want has those that are to be told of.
func (w *world) happen(r *rand.Rand, want map[string]bool) {
	late := time.Duration(r.IntN(20*60)) * time.Second
	scopes := []azure.ID{subnet, clusterID}
	scope := scopes[r.IntN(len(scopes))]
	switch r.IntN(5) {
	case 0:
		want[w.given(late, kubelet, acrPull, scope).ID] = true
	case 1:
		want[w.refusedTo(late, controlPlane, "Microsoft.Network/virtualNetworks/subnets/join/action", scope).ID] = true
	case 2:
		want[w.entry(late, estate.Event{Operation: estate.TypeCluster + "/runCommand/action", Scope: clusterID}).ID] = true
	case 3:
		w.given(late, stranger, acrPull, elsewhere)
	case 4:
		w.entry(late, estate.Event{Operation: "Microsoft.Network/virtualNetworks/subnets/write", Scope: subnet})
	}
}

// live is one life of a watcher: it begins, reads what there is and ends, by itself or otherwise.
func live(t *testing.T, o Options, k *killer) {
	t.Helper()
	var x *Watcher
	defer func() {
		if p := recover(); p != nil && p != errKilled {
			panic(p)
		}
		if x != nil {
			x.Close()
		}
	}()
	odds := k.odds
	k.odds = 0 // the lock of a process that is killed is free; ours is freed by Close, so it has to be known
	var err error
	x, err = Open(o)
	k.odds = odds
	if err != nil {
		t.Fatal(err)
	}
	x.store = mortal{x.store, k}
	if _, _, err := x.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// tear shortens what was appended last, if it is not known to be whole: as if the process had been killed while it wrote.
func tear(t *testing.T, o Options, r *rand.Rand) {
	s, err := file{o.State}.load()
	if err != nil || s == nil || s.Open == nil || r.IntN(2) == 0 {
		return
	}
	info, err := os.Stat(o.Append)
	if err != nil || info.Size() <= s.Open.Offset {
		return
	}
	if err := os.Truncate(o.Append, s.Open.Offset+r.Int64N(info.Size()-s.Open.Offset)); err != nil {
		t.Fatal(err)
	}
}

// eventsIn counts the entries that lines of notices tell of.
func eventsIn(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var n Notice
		switch err := d.Decode(&n); {
		case err == io.EOF:
			return out
		case err != nil:
			t.Fatalf("a line is torn: %v", err)
		}
		for _, id := range n.Events {
			out[id]++
		}
	}
}

// Interrupted, not killed: what was printed is printed once.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.State = filepath.Join(t.TempDir(), "state")
	printed := map[string]int{}
	o.Print = func(notices []Notice) error {
		for _, n := range notices {
			printed[n.ID]++
		}
		return nil
	}
	want := 0
	for i := range 10 {
		x, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		w.once(x, 10*time.Minute)
		if i > 0 {
			w.once(x, 10*time.Minute)
		}
		x.Close()
		w.given(15*time.Minute, kubelet, acrPull, subnet)
		want++
	}
	w.once(w.open(o), time.Hour)
	if len(printed) != want {
		t.Errorf("%d printed, want %d", len(printed), want)
	}
	for id, n := range printed {
		if n != 1 {
			t.Errorf("%s %d times", id, n)
		}
	}
}

// A log that fills pages of days is read a day at a time.
func TestCatchUp(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Since = w.now
	for range 10 {
		w.given(0, kubelet, acrPull, subnet)
		w.now = w.now.Add(24 * time.Hour)
	}
	x := w.open(o)
	if n := only(w.once(x, 0), "role-given"); len(n) != 10 {
		t.Errorf("%d told", len(n))
	}
	if reads := slices.DeleteFunc(w.reads, func(s string) bool { return s[0] == platform[0] }); len(reads) < 10 {
		t.Errorf("read %q", reads)
	}
}

// The webhook is called while logs are read, again until it answers; it is told who speaks.
func TestWebhook(t *testing.T) {
	type call struct {
		header http.Header
		body   []byte
	}
	calls := make(chan call, 100)
	fails := 3
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if fails--; fails >= 0 {
			w.WriteHeader([]int{500, 302, 404}[fails])
			return
		}
		calls <- call{r.Header, body}
	}))
	defer hook.Close()
	w := newWorld(t)
	o := w.options()
	var notes []string
	var mu sync.Mutex
	o.Note = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		notes = append(notes, fmt.Sprintf(format, args...))
	}
	secret := []byte("0123456789abcdefghij")
	var err error
	if o.Webhook, err = NewWebhook(hook.URL+"/T0KEN", secretPrefix+base64.StdEncoding.EncodeToString(secret)); err != nil {
		t.Fatal(err)
	}
	x := w.open(o)
	w.once(x, 0)
	v := w.given(0, kubelet, network, subnet)
	u := w.given(0, kubelet, acrPull, subnet)
	ctx, stop := context.WithCancel(t.Context())
	var waits []time.Duration
	x.pause = func(c context.Context, d time.Duration) error {
		mu.Lock()
		waits = append(waits, d)
		mu.Unlock()
		if d == o.Every {
			<-c.Done()
		}
		return c.Err()
	}
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	got := map[string]bool{}
	for len(got) < 2 {
		c := <-calls
		id := c.header.Get("webhook-id")
		got[id] = true
		want := x.Webhook.sign(id, c.header.Get("webhook-timestamp"), c.body)
		if sig := c.header.Get("webhook-signature"); sig != "v1,"+want || !bytes.Equal(x.Webhook.secret, secret) {
			t.Errorf("signature %q", sig)
		}
	}
	if !got[v.ID] || !got[u.ID] {
		t.Errorf("told of %v", got)
	}
	stop()
	if err := <-ended; !errors.Is(err, ctx.Err()) {
		t.Errorf("ended with %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if slices.Sort(waits); !slices.Contains(waits, 2*time.Second) || !slices.Contains(waits, 8*time.Second) {
		t.Errorf("waited %v", waits)
	}
	text := strings.Join(notes, "\n")
	if !strings.Contains(text, "does not take notices (500 Internal Server Error)") || strings.Contains(text, "T0KEN") {
		t.Errorf("noted %q", text)
	}
}

// The signature is what other implementations of the specification make of the same call.
func TestSignature(t *testing.T) {
	h, err := NewWebhook("https://example.com", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	// The example of the specification's own libraries.
	if got := h.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)); got != "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
}

func TestNewWebhook(t *testing.T) {
	for _, tc := range []struct{ url, secret, want string }{
		{"example.com/hook", "", "is no URL"},
		{"ftp://example.com", "", "is no URL"},
		{"http://example.com/S3CRET", "", "the webhook at example.com must be https"},
		{"https://example.com", "short", "has 5 bytes; it takes 16 or more"},
		{"https://example.com", "whsec_$$", "what follows is not base64"},
		{"http://127.0.0.1:1/hook", "", ""},
		{"http://localhost/hook", "0123456789abcdef\n", ""},
	} {
		h, err := NewWebhook(tc.url, tc.secret)
		if got := fmt.Sprint(err); tc.want == "" && err != nil || !strings.Contains(got, tc.want) || strings.Contains(got, "S3CRET") {
			t.Errorf("%s: %v", tc.url, err)
		}
		if err == nil && strings.Contains(h.String(), "hook") {
			t.Errorf("shown as %s", h)
		}
	}
}

// A webhook that is down keeps a bounded queue, over restarts, and does not keep logs from being read.
func TestQueue(t *testing.T) {
	hook := newReceiver(t, nil)
	hook.down = true
	w := newWorld(t)
	o := w.options()
	o.State = filepath.Join(t.TempDir(), "state")
	o.Webhook, _ = NewWebhook(hook.URL, "")
	x := w.open(o)
	w.once(x, 0)
	var ids []string
	for range 5 {
		ids = append(ids, w.given(0, kubelet, acrPull, subnet).ID)
		w.now = w.now.Add(time.Minute)
		if _, incomplete, err := x.Once(t.Context()); err != nil || !incomplete {
			t.Errorf("incomplete %v, %v", incomplete, err)
		}
	}
	x.Close()
	hook.down = false
	x = w.open(o)
	if len(x.waiting()) != 5 {
		t.Errorf("%d wait", len(x.waiting()))
	}
	w.once(x, time.Minute)
	for _, id := range ids {
		if hook.got[id] != 1 {
			t.Errorf("%s: %d", id, hook.got[id])
		}
	}
	x.enqueue(make([]Notice, maxQueue+3))
	if n := len(x.waiting()); n != maxQueue {
		t.Errorf("%d wait", n)
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Metrics = NewMetrics()
	x := w.open(o)
	w.once(x, 0)
	w.given(0, kubelet, network, subnet)
	w.refusedTo(0, kubelet, "Microsoft.Network/virtualNetworks/subnets/join/action", subnet)
	w.refusedTo(0, kubelet, "Microsoft.Network/virtualNetworks/subnets/join/action", subnet)
	w.once(x, time.Minute)
	page := httptest.NewRecorder()
	o.Metrics.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`aksid_watch_notices_total{kind="role-given",severity="warning"} 1`,
		`aksid_watch_notices_total{kind="identity-switched",severity="error"} 0`,
		`aksid_watch_refused_total{cluster="freight-prod",identity="kubelet",operation="Microsoft.Network/virtualNetworks/subnets/join/action"} 2`,
		`aksid_watch_log_read_timestamp_seconds{subscription="` + hub + `"} ` + strconv.FormatFloat(float64(w.now.Unix()), 'g', -1, 64),
		"aksid_watch_clusters 1", "aksid_watch_webhook_waiting 0",
	} {
		if !strings.Contains(page.Body.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, page.Body)
		}
	}
}
