package directory

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

func TestPassword(t *testing.T) {
	p := NewPassword("correct horse", now.Add(300*time.Millisecond))
	if err := p.Check("correct horse"); err != nil || !p.Set.Equal(now) {
		t.Errorf("%v, set at %v", err, p.Set)
	}
	for _, wrong := range []string{"", "Correct horse", "correct horse ", "correct"} {
		if err := p.Check(wrong); !errors.Is(err, ErrPasswordWrong) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if err := (*Password)(nil).Check(""); !errors.Is(err, ErrPasswordWrong) {
		t.Errorf("nobody's password: %v", err)
	}
	if again := NewPassword("correct horse", now); bytes.Equal(again.Hash, p.Hash) || bytes.Equal(again.Salt, p.Salt) {
		t.Error("two users with one password have one hash")
	}
	if body, err := json.Marshal(p); err != nil || bytes.Contains(body, []byte("horse")) {
		t.Errorf("the text is kept: %s, %v", body, err)
	}
}

func TestNewCertificate(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	from, until := now, now.Add(24*time.Hour)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ci"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	check(t, err)
	for _, c := range []struct {
		name                string
		from, until         time.Time
		wantFrom, wantUntil time.Time
	}{
		{"its own times", time.Time{}, time.Time{}, from, until},
		{"a begin", from.Add(time.Hour), time.Time{}, from.Add(time.Hour), until},
		{"an end", time.Time{}, from.Add(time.Hour), from, from.Add(time.Hour)},
	} {
		got, err := NewCertificate("ci", der, c.from, c.until)
		if err != nil || !got.From.Equal(c.wantFrom) || !got.Until.Equal(c.wantUntil) || got.ID.IsZero() || got.Thumbprint() != sha1.Sum(der) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for _, bad := range [][]byte{nil, []byte("x"), der[:len(der)-1]} {
		if _, err := NewCertificate("", bad, now, now); err == nil {
			t.Errorf("%d bytes are taken for a certificate", len(bad))
		}
	}
}

func TestASecretThatWasAcceptedOnce(t *testing.T) {
	_, good := NewSecret("", now.Add(-time.Hour), now.Add(time.Hour))
	_, old := NewSecret("", now.Add(-time.Hour), now)
	c := Credentials{Secrets: []Secret{good, old}}
	for _, test := range []struct {
		name string
		id   azure.GUID
		want error
	}{{"good", good.ID, nil}, {"expired since", old.ID, ErrSecretExpired}, {"removed since", groupA, ErrSecretWrong}} {
		if err := c.Good(test.id, now); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestClientHasAllItsCredentials: a service principal's own, its application's, and those of a user-assigned identity.
func TestClientHasAllItsCredentials(t *testing.T) {
	_, own := NewSecret("own", now, now.Add(time.Hour))
	_, shared := NewSecret("shared", now, now.Add(time.Hour))
	cert := Certificate{ID: groupB, Name: "cert"}
	federation := Federation{Name: "gh", Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:a/b", Audiences: []string{"x"}}
	update(t, func(tx store.Tx) {
		check(t, Put(tx, Principal{ID: app, AppID: appID, Type: ServicePrincipal, Secrets: []Secret{own}}))
		check(t, PutApp(tx, App{ID: groupA, AppID: appID, Secrets: []Secret{shared}, Certificates: []Certificate{cert}, Federations: []Federation{federation}}))
		p, c, err := Client(tx, appID)
		check(t, err)
		if p.ID != app || len(c.Secrets) != 2 || len(c.Certificates) != 1 || len(c.Federations) != 1 || c.Federations[0].Subject != federation.Subject {
			t.Errorf("%+v %+v", p, c)
		}

		one, other := rg.Resource(TypeUserAssigned, "id1"), rg.Resource(TypeUserAssigned, "id11")
		identity, err := NewManagedIdentity(tx, "id1", one, now)
		check(t, err)
		for id, body := range map[azure.ID]string{
			one.Join("federatedIdentityCredentials", "B"):   `{"name":"B","properties":{"issuer":"https://b","subject":"s","audiences":["a"]},"_":{"from":"2026-03-01T12:00:10Z"}}`,
			one.Join("federatedIdentityCredentials", "a"):   `{"name":"a","properties":{"issuer":"https://a"}}`,
			other.Join("federatedIdentityCredentials", "c"): `{"name":"c","properties":{"issuer":"https://c"}}`,
		} {
			check(t, tx.Put(store.Doc{Kind: KindResource, Key: id.Key(), Body: []byte(body)}))
		}
		_, c, err = Client(tx, identity.AppID)
		check(t, err)
		var names []string
		for _, f := range c.Federations {
			names = append(names, f.Name+" "+f.Issuer)
		}
		if !slices.Equal(names, []string{"a https://a", "B https://b"}) || !c.Federations[1].From.Equal(now.Add(10*time.Second)) {
			t.Errorf("of a managed identity: %+v", c.Federations)
		}
		check(t, tx.Put(store.Doc{Kind: KindResource, Key: one.Join("federatedIdentityCredentials", "d").Key(), Body: []byte("x")}))
		if _, _, err := Client(tx, identity.AppID); err == nil {
			t.Error("a broken document is taken for none")
		}
	})
}

func TestIssuers(t *testing.T) {
	const url = "https://westeurope.oic.prod-aks.azure.com/T/C/"
	cluster := rg.Resource("Microsoft.ContainerService/managedClusters", "aks1")
	update(t, func(tx store.Tx) {
		if _, err := IssuedBy(tx, url); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no cluster: %v", err)
		}
		if _, err := IssuerKey(tx, url); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no key: %v", err)
		}
		check(t, tx.Put(store.Doc{Kind: "other", Key: "x", Refs: []string{IssuerRef(url)}, Body: []byte("{}")}))
		check(t, tx.Put(store.Doc{Kind: KindResource, Key: cluster.Key(), Refs: []string{IssuerRef(url)}, Body: []byte("{}")}))
		id, err := IssuedBy(tx, strings.ToLower(url))
		if err != nil || id.Key() != cluster.Key() {
			t.Errorf("%v, %v", id, err)
		}
		// Who comes second gets the first one's key.
		for _, mine := range []string{"first", "second"} {
			if got, err := AddIssuerKey(tx, url, []byte(mine)); err != nil || string(got) != "first" {
				t.Errorf("%s: %s, %v", mine, got, err)
			}
		}
		check(t, DropIssuerKey(tx, strings.ToUpper(url)))
		if _, err := IssuerKey(tx, url); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the cluster is gone: %v", err)
		}
	})
}
