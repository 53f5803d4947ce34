package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud"
	"aksid/internal/local"
)

// TestExplainActivityLog: what the local Azure has refused is explained from its activity log, and judged.
func TestExplainActivityLog(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	var out, errs bytes.Buffer
	a := &App{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now}
	s, err := serve(ctx, a, cloud.Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	az, err := local.Find(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := az.Token(ctx, az.Operator)
	if err != nil {
		t.Fatal(err)
	}
	sub := "/subscriptions/" + az.Subscriptions[0].ID
	call := func(token, method, path string, in, out any) error { return az.Call(ctx, token, method, path, in, out) }
	var app, sp struct{ ID, AppID string }
	err = errors.Join(
		call(operator, http.MethodPut, sub+"/resourceGroups/rg?api-version=2021-04-01", doc{"location": "westeurope"}, nil),
		call(operator, http.MethodPost, "/v1.0/applications", doc{"displayName": "pipeline"}, &app))
	if err == nil {
		err = call(operator, http.MethodPost, "/v1.0/servicePrincipals", doc{"appId": app.AppID}, &sp)
	}
	if err != nil {
		t.Fatal(err)
	}
	id, err := azure.ParseGUID(sp.ID)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := az.AddSecret(ctx, operator, id, "test", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	token, err := az.Token(ctx, local.Credential{ClientID: azure.MustGUID(app.AppID), ObjectID: id, Secret: secret.Text, Tenant: az.Tenant})
	if err != nil {
		t.Fatal(err)
	}
	refused := call(token, http.MethodPut, sub+"/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt?api-version=2023-09-01", doc{"location": "westeurope"}, nil)
	if e := (*azure.Error)(nil); !errors.As(refused, &e) || e.Status != http.StatusForbidden {
		t.Fatalf("not refused: %v", refused)
	}
	if code := a.Run(ctx, []string{"explain", "--activity-log", "--from", "local", "--data", dir}); code != exitOK {
		t.Fatalf("exit code %d: %s%s", code, out.String(), errs.String())
	}
	for _, want := range []string{"lacks routeTables/write on routeTable rt (rg).", "object id " + sp.ID, "unknown: Subscription " + az.Subscriptions[0].ID + " was not read"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
