package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// The second half of the water utility's story: what is done once the cluster has its own identity.

// separate gives the application an identity of its own, for the vault and the queue alone.
func (w *water) separate(ctx context.Context) error {
	vault, account := w.apps.Resource("Microsoft.KeyVault/vaults", "kv-telemetry"), w.apps.Resource("Microsoft.Storage/storageAccounts", "sttelemetry")
	queue := account.Join("queueServices", "default", "queues", "readings")
	err := w.build(ctx, w.operator(),
		resource{vault, doc{"properties": doc{"tenantId": w.Azure.Tenant, "sku": doc{"family": "A", "name": "standard"}, "enableRbacAuthorization": true}}},
		resource{account, doc{"sku": doc{"name": "Standard_LRS"}, "kind": "StorageV2", "properties": doc{}}},
		resource{queue, doc{"properties": doc{}}},
		resource{vault.Join("secrets", "historian"), doc{"properties": doc{"value": "of no use elsewhere"}}})
	if err != nil {
		return err
	}
	id := w.identities.Resource(typeIdentity, "id-telemetry-app")
	principal, client, err := w.userAssigned(ctx, w.operator(), id)
	if err != nil {
		return err
	}
	if err := w.federate(ctx, id, "telemetry", "ingest"); err != nil {
		return err
	}
	for _, right := range []struct {
		role  string
		scope azure.ID
	}{{"Key Vault Secrets User", vault}, {"Storage Queue Data Contributor", queue}} {
		if err := w.grant(ctx, w.operator(), right.role, principal, right.scope); err != nil {
			return err
		}
		w.changed("%s on %s for %s", right.role, right.scope.Name(), id.Name())
	}
	w.say("The pods of service account telemetry/ingest act as %s, by workload identity:", id.Name())
	app := pod{cluster: w.prod.id, namespace: "telemetry", name: "ingest", client: client}
	if err := w.appWorks(ctx, app); err != nil {
		return err
	}
	apart, err := w.apart(ctx, app)
	w.measure(Figure{
		Name: "application rights apart from the cluster's", Case: "Key Vault and queues by workload identity, separate from infrastructure",
		Here: fmt.Sprintf("%d of %d calls in the other's place refused", apart, 3), How: "the pod writes a load balancer; the cluster's identity reads the secret and the queue",
		Holds: apart == 3,
	})
	return err
}

// federate lets a service account's pods act as an identity.
func (w *water) federate(ctx context.Context, id azure.ID, namespace, account string) error {
	var c struct {
		Properties struct {
			Issuer struct{ IssuerURL string } `json:"oidcIssuerProfile"`
		}
	}
	if err := w.get(ctx, w.operator(), w.prod.id, &c); err != nil {
		return err
	}
	return w.put(ctx, w.operator(), id.Join("federatedIdentityCredentials", account), doc{"properties": doc{
		"issuer": c.Properties.Issuer.IssuerURL, "subject": "system:serviceaccount:" + namespace + ":" + account, "audiences": []string{local.TokenExchange}}}, nil)
}

func (w *water) appWorks(ctx context.Context, app pod) error {
	if err := w.secret(ctx, app, "kv-telemetry", "historian"); err != nil {
		return err
	}
	w.works("the pod reads the secret historian from kv-telemetry")
	if err := errors.Join(w.enqueue(ctx, app, "sttelemetry", "readings"), w.dequeue(ctx, app, "sttelemetry", "readings")); err != nil {
		return err
	}
	w.works("the pod puts a reading into the queue and takes it out")
	return nil
}

// apart counts the refusals of the pod where the cluster's rights are, and of the cluster where the pod's are.
func (w *water) apart(ctx context.Context, app pod) (n int, err error) {
	w.say("Neither can do what is the other's. The pod at a load balancer, the cluster's identity at the secret and at the queue:")
	lb := w.prod.nodes.Resource("Microsoft.Network/loadBalancers", "kubernetes-internal")
	cluster := machine(w.prod.id)
	for _, try := range []struct {
		err    error
		status int
		code   string
	}{
		{w.put(ctx, app, lb, doc{"location": location, "properties": doc{}}, nil), http.StatusForbidden, "AuthorizationFailed"},
		{w.secret(ctx, cluster, "kv-telemetry", "historian"), http.StatusForbidden, "Forbidden"},
		{w.dequeue(ctx, cluster, "sttelemetry", "readings"), http.StatusForbidden, "AuthorizationPermissionMismatch"},
	} {
		if err := w.refused(try.err, try.status, try.code); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

const drills = 3

// storms are three drills: the cluster scales out and in, and nobody gives a role.
func (w *water) storms(ctx context.Context) error {
	operators, err := w.hire(ctx, w.operator(), "storm-desk")
	if err != nil {
		return err
	}
	if err := w.grantCustom(ctx, w.operator(), "Node pool operator", []string{typeCluster + "/read", typeCluster + "/agentPools/read", typeCluster + "/agentPools/write"}, operators.id, w.prod.id); err != nil {
		return err
	}
	if err := w.grantCustom(ctx, w.operator(), "Subnet joiner", []string{typeSubnet + "/join/action"}, operators.id, w.subnet); err != nil {
		return err
	}
	w.changed("storm-desk may scale the node pools of telemetry-prod, and nothing else")
	if err := w.advance(ctx, 7*day); err != nil {
		return err
	}
	began, done := w.now(), 0
	for i := range drills {
		if err := w.storm(ctx, operators); err != nil {
			return fmt.Errorf("drill %d: %w", i+1, err)
		}
		done++
		w.works("drill %d: 3 → 9 → 3 nodes, services and volumes on the way", i+1)
		if err := w.advance(ctx, 7*day); err != nil {
			return err
		}
	}
	roles, err := w.changesSince(ctx, began, typeAssignment)
	if err != nil {
		return err
	}
	w.measure(Figure{
		Name: "storm drills in which nodes scaled without a change of roles", Case: "three in a row",
		Here: fmt.Sprintf("%d of %d, with %d changes of role assignments", done, drills, roles), How: "nodes counted after each scaling; role assignments written or removed by the activity log",
		Holds: done == drills && roles == 0,
	})
	return nil
}

func (w *water) storm(ctx context.Context, by caller) error {
	for _, nodes := range []int{9, 3} {
		if err := w.scale(ctx, by, nodes); err != nil {
			return err
		}
		if n, err := w.nodes(ctx); err != nil || n != nodes {
			return fmt.Errorf("there are %d nodes instead of %d (%w)", n, nodes, err)
		}
		if err := w.serve(ctx); err != nil {
			return err
		}
	}
	return nil
}

// nodes counts the machines of the cluster.
func (w *water) nodes(ctx context.Context) (int, error) {
	var machines struct{ Value []json.RawMessage }
	err := w.get(ctx, w.operator(), w.prod.scaleSet.Join("virtualMachines"), &machines)
	return len(machines.Value), err
}

// changesSince counts the calls that changed resources of a type.
func (w *water) changesSince(ctx context.Context, since time.Time, typ string) (int, error) {
	n := 0
	for _, sub := range w.Azure.Subscriptions {
		events, err := w.activity(ctx, sub.ID, "eventTimestamp ge '"+since.UTC().Format(time.RFC3339)+"'")
		if err != nil {
			return 0, err
		}
		for _, e := range events {
			if op := strings.ToLower(e.OperationName.Value); strings.HasPrefix(op, strings.ToLower(typ)+"/") {
				n++
			}
		}
	}
	return n, nil
}

// breakGlass lets somebody change the network by hand for two hours, because somebody else agreed.
func (w *water) breakGlass(ctx context.Context) error {
	onCall, security, err := w.emergencyDesk(ctx)
	if err != nil {
		return err
	}
	w.say("A storm cuts off a pumping station, and on-call has to change the subnet by hand:")
	if err := w.refused(w.changeSubnet(ctx, onCall), http.StatusForbidden, "AuthorizationFailed"); err != nil {
		return err
	}
	out, err := w.breakglass(ctx, onCall, 0, "request", "telemetry-prod", "--need", "subnet-join", "--to", onCall.id.String(), "--for", "2h", "--why", "INC-4711: a pumping station is cut off")
	if err != nil {
		return err
	}
	id, _, _ := strings.Cut(strings.TrimSpace(out), " ")
	w.say("Who asks cannot approve. Security does:")
	if _, err := w.breakglass(ctx, onCall, 2, "approve", id, "--apply", "--yes"); err != nil {
		return err
	}
	if _, err := w.breakglass(ctx, security, 0, "approve", id, "--apply", "--yes"); err != nil {
		return err
	}
	if err := w.changeSubnet(ctx, onCall); err != nil {
		return err
	}
	w.works("on-call has changed %s", w.subnet.Name())
	if err := w.advance(ctx, 2*time.Hour+time.Minute); err != nil {
		return err
	}
	w.say("Two hours later it has ended by itself:")
	if err := w.refused(w.changeSubnet(ctx, onCall), http.StatusForbidden, "AuthorizationFailed"); err != nil {
		return err
	}
	if _, err := w.breakglass(ctx, security, 0, "expire", "--apply", "--yes"); err != nil {
		return err
	}
	if _, err = w.breakglass(ctx, security, 0, "list", "--all"); err != nil {
		return err
	}
	w.say("And whoever watches the cluster was told:")
	if _, err := w.aksid(ctx, run{as: w.reviewer, args: []string{"watch", "telemetry-prod", "--once", "--since", "3h"}}); err != nil {
		return err
	}
	left, err := w.rolesOf(ctx, onCall.id)
	if err != nil {
		return err
	}
	w.measure(Figure{
		Name: "emergency access", Case: "security approval plus automatic expiry",
		Here:  fmt.Sprintf("asked for by %s, refused to %s, approved by %s, ended after 2 hours: %s is left", onCall.name, onCall.name, security.name, strings.Join(left, ", ")),
		How:   "the call of on-call: refused before, possible in between, refused after; its role assignments then",
		Holds: !slices.ContainsFunc(left, func(role string) bool { return role != "Reader" }),
	})
	return nil
}

// rolesOf are the roles of a principal, each once.
func (w *water) rolesOf(ctx context.Context, p azure.PrincipalID) ([]string, error) {
	all, err := w.assignments(ctx)
	var out []string
	for _, a := range all {
		if a.Properties.PrincipalID == p && !slices.Contains(out, a.role()) {
			out = append(out, a.role())
		}
	}
	return out, err
}

// review is what a month's change review gets.
func (w *water) review(ctx context.Context) error {
	took, good, err := w.evidence(ctx, w.reviewer, "month", "telemetry-prod", "--kube", filepath.Join(w.Folder, "volumes.json"), "--since", "30d", "--record", filepath.Join(w.Folder, "breakglass.jsonl"))
	if err != nil {
		return err
	}
	w.measure(Figure{
		Name: "preparation of the evidence for a review", Case: "five business days → one afternoon",
		Here: took.Round(10*time.Millisecond).String() + ", in one command", How: "aksid evidence, by somebody who may only read; the bundle is verified, and its report has no error or warning",
		Holds: took < 4*time.Hour && good == 1,
	})
	w.say("What was refused since the cluster has its own identity, and was it the cluster?")
	out, err := w.aksid(ctx, run{as: w.reviewer, args: []string{"explain", "--activity-log", "--since", w.now().Sub(w.rolledOut).Round(time.Second).String(), "-o", "json"}, into: "refused.json"})
	if err != nil {
		return err
	}
	all, ofCluster, err := refusals(out, w.prod.control)
	if err != nil {
		return err
	}
	w.works("%d refusals of others, %d of %s", all-ofCluster, ofCluster, w.identity.Name())
	w.measure(Figure{
		Name: "telemetry outages for want of a right of the cluster", Case: "none after the rollout",
		Here: fmt.Sprint(ofCluster), How: "refusals of the cluster's identity in the activity logs since; those of others, which were meant to be, are there",
		Holds: ofCluster == 0 && all > 0,
	})
	return nil
}

// emergencyDesk are who may need a role at once, and who may give it.
func (w *water) emergencyDesk(ctx context.Context) (onCall, security *person, err error) {
	platform, hub := w.subs()
	if onCall, err = w.team(ctx, "on-call", "Reader", platform, hub); err != nil {
		return nil, nil, err
	}
	if security, err = w.team(ctx, "security-lead", "Reader", platform, hub); err != nil {
		return nil, nil, err
	}
	return onCall, security, w.grant(ctx, w.operator(), "User Access Administrator", security.id, w.network)
}

func (w *water) breakglass(ctx context.Context, by *person, want int, args ...string) (string, error) {
	args = append(append([]string{"breakglass"}, args...), "--record", filepath.Join(w.Folder, "breakglass.jsonl"))
	return w.aksid(ctx, run{as: by, args: args, want: want})
}

func (w *water) changeSubnet(ctx context.Context, by caller) error {
	var subnet doc
	if err := w.get(ctx, by, w.subnet, &subnet); err != nil {
		return err
	}
	return w.put(ctx, by, w.subnet, doc{"properties": subnet["properties"]}, nil)
}
