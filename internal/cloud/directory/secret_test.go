package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud/store"
)

func TestNewSecret(t *testing.T) {
	// The form of Entra's own secrets, which scanners for leaked ones look for.
	shape := regexp.MustCompile(`^[A-Za-z0-9]{3}\dQ~[A-Za-z0-9._~-]{34}$`)
	seen := map[string]bool{}
	for range 200 {
		text, s := NewSecret("ci", now, now.Add(time.Hour))
		if !shape.MatchString(text) || s.Hint != text[:3] || s.Name != "ci" || s.ID.IsZero() || seen[text] {
			t.Fatalf("secret %q: %+v", text, s)
		}
		seen[text] = true
		if body, err := json.Marshal(s); err != nil || strings.Contains(string(body), text) || bytes.Contains(s.Hash, []byte(text)) {
			t.Fatalf("the text is kept: %s, %v", body, err)
		}
	}
	_, a := NewSecret("", now, now)
	_, b := NewSecret("", now, now)
	if bytes.Equal(a.Salt, b.Salt) {
		t.Error("two secrets with one salt")
	}
}

func TestCheckSecret(t *testing.T) {
	current, a := NewSecret("", now.Add(-time.Hour), now.Add(time.Hour))
	old, b := NewSecret("", now.Add(-2*time.Hour), now)
	future, c := NewSecret("", now.Add(time.Second), now.Add(time.Hour))
	p := Principal{Secrets: []Secret{b, a, c}}
	for _, test := range []struct {
		name, secret string
		want         error
	}{
		{"good", current, nil},
		{"expired at this moment", old, ErrSecretExpired},
		{"not yet good", future, ErrSecretWrong},
		{"wrong", "x", ErrSecretWrong},
		{"empty", "", ErrSecretWrong},
		{"one character more", current + "x", ErrSecretWrong},
		{"another case", strings.ToLower(current), ErrSecretWrong},
		{"the secret's id", a.ID.String(), ErrSecretWrong},
	} {
		if err := p.CheckSecret(test.secret, now); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if err := (Principal{}).CheckSecret("", now); !errors.Is(err, ErrSecretWrong) {
		t.Errorf("without any secret: %v", err)
	}
}

func TestAddSecret(t *testing.T) {
	update(t, func(tx store.Tx) {
		check(t, Put(tx, Principal{ID: app, AppID: appID, Type: ServicePrincipal}))
		first, _, err := AddSecret(tx, app, "first", now, now.Add(time.Hour))
		check(t, err)
		second, s, err := AddSecret(tx, app, "second", now, now.Add(time.Hour))
		check(t, err)
		p, err := Get(tx, app)
		check(t, err)
		if len(p.Secrets) != 2 || p.Secrets[1].ID != s.ID || p.CheckSecret(first, now) != nil || p.CheckSecret(second, now) != nil {
			t.Errorf("secrets %+v", p.Secrets)
		}
		if _, _, err := AddSecret(tx, ann, "", now, now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of an unknown principal: %v", err)
		}
	})
}

func TestAuthenticate(t *testing.T) {
	own, ownSecret := NewSecret("", now.Add(-time.Hour), now.Add(time.Hour))
	shared, appSecret := NewSecret("", now.Add(-time.Hour), now.Add(time.Hour))
	expired, oldSecret := NewSecret("", now.Add(-2*time.Hour), now.Add(-time.Hour))
	client := Principal{ID: app, AppID: appID, Type: ServicePrincipal, Secrets: []Secret{ownSecret, oldSecret}}
	disabled := client
	disabled.Disabled = true
	registered := App{ID: groupA, AppID: appID, Secrets: []Secret{appSecret}}
	for _, c := range []struct {
		name   string
		client *Principal
		app    *App
		secret string
		want   error
	}{
		{"own secret, no application", &client, nil, own, nil},
		{"own secret", &client, &registered, own, nil},
		{"the application's secret", &client, &registered, shared, nil},
		{"the application's secret without the application", &client, nil, shared, ErrSecretWrong},
		{"wrong", &client, &registered, "x", ErrSecretWrong},
		{"expired", &client, &registered, expired, ErrSecretExpired},
		{"disabled", &disabled, &registered, own, ErrDisabled},
		{"no service principal", nil, &registered, shared, ErrNoServicePrincipal},
		{"nothing", nil, nil, own, ErrNoApplication},
	} {
		t.Run(c.name, func(t *testing.T) {
			update(t, func(tx store.Tx) {
				if c.client != nil {
					check(t, Put(tx, *c.client))
				}
				if c.app != nil {
					check(t, PutApp(tx, *c.app))
				}
				p, err := Authenticate(tx, appID, c.secret, now)
				if !errors.Is(err, c.want) || err == nil && p.ID != app {
					t.Errorf("%v, %v; want %v", p.ID, err, c.want)
				}
			})
		})
	}
}

func TestAuthenticateSaysWhatTheStoreSays(t *testing.T) {
	update(t, func(tx store.Tx) {
		check(t, tx.Put(store.Doc{Kind: KindApplication, Key: groupA.String(), Refs: []string{appRef(appID)}, Body: []byte("x")}))
		_, err := Authenticate(tx, appID, "", now)
		if err == nil || errors.Is(err, ErrNoApplication) {
			t.Errorf("error %v", err)
		}
	})
}
