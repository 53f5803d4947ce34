package cloud_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// dataWriter pushes images, sets secrets and sends messages to a local Azure in another process until that is gone.
type dataWriter struct {
	http                           *http.Client
	vaultToken, storageToken       string
	mu                             sync.Mutex
	images, secretNames, sentTexts []string // acknowledged
}

func (d *dataWriter) ack(list *[]string, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*list = append(*list, name)
}

func (d *dataWriter) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.sentTexts)
}

func (d *dataWriter) write(t *testing.T, client *registryClient, name string) {
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s-%d", name, i)
		img, err := random.Image(32<<10, 2)
		if err != nil {
			t.Error(err)
			return
		}
		if client.push("app:"+name, img) != nil {
			return
		}
		d.ack(&d.images, name+"@"+digestOf(t, img))
		if !d.send("PUT", "https://freight-kv.vault.azure.net/secrets/"+name+"?api-version=7.4", d.vaultToken, `{"value":"`+name+`"}`) {
			return
		}
		d.ack(&d.secretNames, name)
		if !d.send("POST", "https://freightstore.queue.core.windows.net/orders/messages", d.storageToken, "<QueueMessage><MessageText>"+name+"</MessageText></QueueMessage>") {
			return
		}
		d.ack(&d.sentTexts, name)
	}
}

// send reports whether a write was acknowledged.
func (d *dataWriter) send(method, url, token, body string) bool {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := d.http.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err == nil && answer.StatusCode < 300
}

// round starts the process, writes from several clients and kills it in the middle.
func (d *dataWriter) round(t *testing.T, w *world, auth authn.Authenticator, round int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVar+"="+w.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the local Azure did not start: %v %s", err, stderr.String())
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimSpace(addr))
	}}
	defer transport.CloseIdleConnections()
	d.http = &http.Client{Transport: transport}
	client := &registryClient{t, "freightacr.azurecr.io", []remote.Option{remote.WithAuth(auth), remote.WithTransport(transport), remote.WithRetryBackoff(remote.Backoff{Steps: 1})}}
	var writers sync.WaitGroup
	for n := range 3 {
		writers.Go(func() { d.write(t, client, fmt.Sprintf("r%d-%d", round, n)) })
	}
	enough := d.count() + 10 + rand.IntN(30)
	for deadline := time.Now().Add(patience); d.count() < enough && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	writers.Wait()
}

// TestKillData kills the local Azure under load: every image, secret and message that was acknowledged is there
// afterwards, whole.
func TestKillData(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	acr := w.acr(rg, "freightacr", obj{"adminUserEnabled": true})
	w.vault(rg, "freight-kv", nil)
	store := w.account(rg, "freightstore", nil)
	u := w.application("u")
	w.give(u.id, "Key Vault Secrets Officer", rg)
	w.give(u.id, "Storage Queue Data Contributor", rg)
	w.operator.put(store+"/queueServices/default/queues/orders", obj{}).ok(200)
	admin := w.operator.do("POST", acr+"/listCredentials", nil).ok(200)
	auth := authn.FromConfig(authn.AuthConfig{Username: "freightacr", Password: admin.str("passwords.0.value")})
	c := w.as(u)
	d := &dataWriter{vaultToken: c.token(vaultAudience), storageToken: c.token(storageAudience)}
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		d.round(t, w, auth, round)
	}
	w.clock.Run() // as the processes had it
	w.start()
	if len(d.images) < 10 || len(d.secretNames) < 10 || len(d.sentTexts) < 10 {
		t.Fatalf("too little was written for a test: %d images, %d secrets, %d messages", len(d.images), len(d.secretNames), len(d.sentTexts))
	}
	t.Logf("%d images, %d secrets and %d messages were acknowledged", len(d.images), len(d.secretNames), len(d.sentTexts))
	client := w.registry(t, "freightacr", "freightacr", admin.str("passwords.0.value"))
	for _, ref := range d.images {
		tag, digest, _ := strings.Cut(ref, "@")
		var img v1.Image
		img, err := client.pull("app:" + tag)
		client.want("ok", err)
		if err == nil && digestOf(t, img) != digest {
			t.Errorf("app:%s is another image", tag)
		}
	}
	for _, name := range d.secretNames {
		if got := c.ask(vaultAudience, "GET", "https://freight-kv.vault.azure.net/secrets/"+name+"?api-version=7.4", "").ok(200).str("value"); got != name {
			t.Errorf("the secret %s is %q", name, got)
		}
	}
	left := ""
	for {
		got := c.ask(storageAudience, "GET", "https://freightstore.queue.core.windows.net/orders/messages?numofmessages=32&visibilitytimeout=3600", "").ok(200).raw
		if !strings.Contains(got, "<MessageText>") {
			break
		}
		left += got
	}
	for _, text := range d.sentTexts {
		if strings.Count(left, "<MessageText>"+text+"</MessageText>") != 1 {
			t.Errorf("the message %s is there %d times", text, strings.Count(left, "<MessageText>"+text+"</MessageText>"))
		}
	}
}
