package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// hook is a webhook that answers with a status and appends what it is told to a file. It sets HOOK to its URL: hook FILE STATUS.
func hook(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(f, "%d %s %s\n", status, r.Header.Get("webhook-signature"), body)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
	}))
	ts.Defer(server.Close)
	ts.Setenv("HOOK", server.URL+"/T0KEN")
}

// deployRules deploys exported alerts with a template deployment in each subscription, has them tell $HOOK, and routes the
// activity logs to a workspace, which it sets WORKSPACE to: rules FOLDER ALERTS.
func deployRules(ts *testscript.TestScript, _ bool, args []string) {
	az, err := local.Find(context.Background(), ts.MkAbs(args[0]))
	ts.Check(err)
	var group, told string
	for i, sub := range az.Subscriptions {
		group = "/subscriptions/" + sub.ID + "/resourceGroups/rg-watch"
		as(ts, args[0], http.MethodPut, group+"?api-version=2021-04-01", doc{"location": "westeurope"}, nil)
		if i == 0 {
			told = group + "/providers/Microsoft.Insights/actionGroups/people"
			as(ts, args[0], http.MethodPut, told+"?api-version=2023-01-01", doc{"location": "global", "properties": doc{"groupShortName": "people",
				"webhookReceivers": []doc{{"name": "hook", "serviceUri": ts.Getenv("HOOK")}}}}, nil)
			ts.Setenv("WORKSPACE", group+"/providers/Microsoft.OperationalInsights/workspaces/logs")
			as(ts, args[0], http.MethodPut, ts.Getenv("WORKSPACE")+"?api-version=2023-09-01", doc{"location": "westeurope"}, nil)
		}
		as(ts, args[0], http.MethodPut, "/subscriptions/"+sub.ID+"/providers/Microsoft.Insights/diagnosticSettings/d?api-version=2021-05-01-preview", doc{"properties": doc{
			"workspaceId": ts.Getenv("WORKSPACE"), "logs": []doc{{"category": "Administrative", "enabled": true}}}}, nil)
		text, err := os.ReadFile(filepath.Join(ts.MkAbs(args[1]), "alerts-"+sub.ID+".json"))
		if errors.Is(err, os.ErrNotExist) {
			continue // nothing depends on this one
		}
		ts.Check(err)
		deployment := group + "/providers/Microsoft.Resources/deployments/watch?api-version=2022-09-01"
		as(ts, args[0], http.MethodPut, deployment, doc{"properties": doc{"mode": "Incremental", "template": json.RawMessage(text),
			"parameters": doc{"actionGroup": doc{"value": told}}}}, nil)
		for state := ""; state != "Succeeded"; time.Sleep(5 * time.Millisecond) {
			var made struct {
				Properties struct{ ProvisioningState string }
			}
			as(ts, args[0], http.MethodGet, deployment, nil, &made)
			if state = made.Properties.ProvisioningState; state == "Failed" {
				ts.Fatalf("the alerts of %s cannot be deployed", sub.Name)
			}
		}
	}
}

// refuse has the control plane of $CLUSTER do what it may not, a resource group: refuse FOLDER.
func refuse(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	az, err := local.Find(ctx, ts.MkAbs(args[0]))
	ts.Check(err)
	token, err := az.MachineToken(ctx, azure.MustID(ts.Getenv("CLUSTER")))
	ts.Check(err)
	if az.Call(ctx, token, http.MethodPut, "/subscriptions/"+ts.Getenv("SUBSCRIPTION")+"/resourceGroups/rg-none?api-version=2021-04-01", doc{"location": "westeurope"}, nil) == nil {
		ts.Fatalf("it may")
	}
}

// ask asks $WORKSPACE a query and writes the rows to a file: ask FOLDER QUERY FILE.
func ask(ts *testscript.TestScript, _ bool, args []string) {
	var answer struct {
		Tables []struct{ Rows []json.RawMessage }
	}
	as(ts, args[0], http.MethodPost, ts.Getenv("WORKSPACE")+"/query?api-version=2017-01-01-preview", doc{"query": ts.ReadFile(args[1])}, &answer)
	var b strings.Builder
	for _, row := range answer.Tables[0].Rows {
		fmt.Fprintf(&b, "%s\n", row)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(b.String()), 0o600))
}

// locked waits until a lock file that was not there is taken: its owner writes into it then. locked FILE.
func locked(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && len(text) > 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nobody takes %s", args[0])
		}
	}
}
