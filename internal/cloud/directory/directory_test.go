package directory

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

var (
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rg     = azure.MustID("/subscriptions/00000000-0000-0000-0000-000000000099/resourceGroups/rg1")
	groupA = azure.MustGUID("00000000-0000-0000-0000-00000000000a")
	groupB = azure.MustGUID("00000000-0000-0000-0000-00000000000b")
	ann    = azure.MustGUID("00000000-0000-0000-0000-000000000001")
	app    = azure.MustGUID("00000000-0000-0000-0000-000000000002")
	appID  = azure.MustGUID("00000000-0000-0000-0000-000000000003")
)

// update runs fn on a store that ends with the test.
func update(t *testing.T, fn func(store.Tx)) {
	t.Helper()
	s, err := store.OpenSQLite(context.Background(), filepath.Join(t.TempDir(), "data.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Update(context.Background(), func(tx store.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPrincipalsAreFoundByEveryName(t *testing.T) {
	update(t, func(tx store.Tx) {
		user := Principal{ID: ann, Type: User, DisplayName: "Ann", UPN: "Ann@Example.org", Created: now}
		client := Principal{ID: app, AppID: appID, Type: ServicePrincipal, Kind: Application, DisplayName: "app", Created: now}
		check(t, Put(tx, user))
		check(t, Put(tx, client))
		identity, err := NewManagedIdentity(tx, "id1", rg.Resource(TypeUserAssigned, "id1"), now)
		check(t, err)

		for name, c := range map[string]struct {
			find func() (Principal, error)
			want azure.PrincipalID
		}{
			"object id":      {func() (Principal, error) { return Get(tx, ann) }, ann},
			"client id":      {func() (Principal, error) { return ByAppID(tx, appID) }, app},
			"UPN, any case":  {func() (Principal, error) { return ByUPN(tx, "aNN@example.ORG") }, ann},
			"resource":       {func() (Principal, error) { return ByResource(tx, identity.Resource) }, identity.ID},
			"resource, case": {func() (Principal, error) { return ByResource(tx, azure.MustID(identity.Resource.Key())) }, identity.ID},
		} {
			if p, err := c.find(); err != nil || p.ID != c.want {
				t.Errorf("by %s: %v, %v; want %v", name, p.ID, err, c.want)
			}
		}
		for name, find := range map[string]func() (Principal, error){
			"object id": func() (Principal, error) { return Get(tx, appID) },
			"client id": func() (Principal, error) { return ByAppID(tx, app) },
			"UPN":       func() (Principal, error) { return ByUPN(tx, "ann") },
			"resource":  func() (Principal, error) { return ByResource(tx, rg) },
		} {
			if _, err := find(); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("by an unknown %s: %v, want not found", name, err)
			}
		}

		got, err := Get(tx, ann)
		if check(t, err); got.UPN != user.UPN || !got.Created.Equal(now) || got.Type != User || got.DisplayName != "Ann" {
			t.Errorf("read back %+v, wrote %+v", got, user)
		}
	})
}

func TestListsAreInOrderAndResume(t *testing.T) {
	update(t, func(tx store.Tx) {
		for _, id := range []azure.GUID{groupB, ann, groupA} {
			check(t, Put(tx, Principal{ID: id, Type: Group}))
			check(t, PutApp(tx, App{ID: id, AppID: azure.NewGUID()}))
		}
		var all, rest, apps []azure.GUID
		for p, err := range All(tx) {
			check(t, err)
			all = append(all, p.ID)
		}
		for p, err := range After(tx, ann) {
			check(t, err)
			rest = append(rest, p.ID)
		}
		for a, err := range AppsAfter(tx, groupA) {
			check(t, err)
			apps = append(apps, a.ID)
		}
		if want := []azure.GUID{ann, groupA, groupB}; !slices.Equal(all, want) || !slices.Equal(rest, want[1:]) || !slices.Equal(apps, want[2:]) {
			t.Errorf("all %v, after the first %v, applications after the second %v", all, rest, apps)
		}
	})
}

func TestABrokenDocumentIsAnError(t *testing.T) {
	update(t, func(tx store.Tx) {
		check(t, tx.Put(store.Doc{Kind: KindPrincipal, Key: ann.String(), Refs: []string{appRef(appID)}, Body: []byte(`{"id":7}`)}))
		_, byID := Get(tx, ann)
		_, byApp := ByAppID(tx, appID)
		var listed error
		for _, err := range All(tx) {
			listed = err
		}
		for _, err := range []error{byID, byApp, listed} {
			if err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("error %v, want one that names the document", err)
			}
		}
	})
}

func TestMembershipsEndWithEitherSide(t *testing.T) {
	members := func(tx store.Tx, group azure.GUID) (ids []azure.GUID) {
		for m, err := range Members(tx, group) {
			check(t, err)
			ids = append(ids, m.Member)
		}
		return ids
	}
	for _, c := range []struct {
		name          string
		end           func(store.Tx) error
		wantA, wantB  []azure.GUID // members left
		wantAnnGroups int
	}{
		{"nothing", func(store.Tx) error { return nil }, []azure.GUID{ann, groupB}, []azure.GUID{ann}, 2},
		{"member deleted", func(tx store.Tx) error { return Delete(tx, ann) }, []azure.GUID{groupB}, nil, 0},
		{"group deleted", func(tx store.Tx) error { return Delete(tx, groupB) }, []azure.GUID{ann}, nil, 1},
		{"member removed", func(tx store.Tx) error { return RemoveMember(tx, groupA, ann) }, []azure.GUID{groupB}, []azure.GUID{ann}, 1},
		{"nobody removed", func(tx store.Tx) error { return RemoveMember(tx, groupB, groupA) }, []azure.GUID{ann, groupB}, []azure.GUID{ann}, 2},
		{"nobody deleted", func(tx store.Tx) error { return Delete(tx, app) }, []azure.GUID{ann, groupB}, []azure.GUID{ann}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			update(t, func(tx store.Tx) {
				for _, p := range []Principal{{ID: ann, Type: User}, {ID: groupA, Type: Group}, {ID: groupB, Type: Group}} {
					check(t, Put(tx, p))
				}
				for _, m := range []Membership{{Group: groupA, Member: ann}, {Group: groupA, Member: groupB}, {Group: groupB, Member: ann}} {
					check(t, AddMember(tx, m))
				}
				check(t, c.end(tx))
				groups := 0
				for _, err := range MemberOf(tx, ann) {
					check(t, err)
					groups++
				}
				if a, b := members(tx, groupA), members(tx, groupB); !slices.Equal(a, c.wantA) || !slices.Equal(b, c.wantB) || groups != c.wantAnnGroups {
					t.Errorf("members %v and %v, Ann in %d groups; want %v, %v, %d", a, b, groups, c.wantA, c.wantB, c.wantAnnGroups)
				}
			})
		})
	}
}

func TestMembershipKeepsItsTimes(t *testing.T) {
	update(t, func(tx store.Tx) {
		want := Membership{Group: groupA, Member: ann, From: now, Until: now.Add(time.Hour)}
		check(t, AddMember(tx, want))
		if got, err := GetMember(tx, groupA, ann); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if _, err := GetMember(tx, ann, groupA); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the other way round: %v", err)
		}
	})
}

func TestAnApplicationTakesItsServicePrincipalAlong(t *testing.T) {
	update(t, func(tx store.Tx) {
		registered := App{ID: groupA, AppID: appID, DisplayName: "app", Created: now}
		check(t, PutApp(tx, registered))
		check(t, Put(tx, Principal{ID: app, AppID: appID, Type: ServicePrincipal}))
		if got, err := AppByAppID(tx, appID); err != nil || got.ID != groupA {
			t.Errorf("found %v, %v", got.ID, err)
		}
		check(t, DeleteApp(tx, registered))
		if _, err := Get(tx, app); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the service principal: %v", err)
		}
		if _, err := GetApp(tx, groupA); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the application: %v", err)
		}
		check(t, DeleteApp(tx, registered)) // without a service principal
	})
}
