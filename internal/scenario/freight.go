package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"aksid/internal/azure"
)

var freightStory = Story{
	Name:  "freight",
	Title: "Freight platform stops subnet permission outages",
	Case: "A freight brokerage platform ran AKS in a shared hub-and-spoke network. New ingress releases failed because the cluster identity " +
		"lacked permission to update subnet and load balancer resources owned by the network team.",
	Given: []string{"A quarter has six ingress releases, a fortnight apart; each puts one more service behind the internal load balancer."},
	plot: func(s *Stage) []step {
		f := &freight{Stage: s}
		return []step{
			{"Two teams, two subscriptions, and an automation with a password", f.setUp},
			{"A quarter of ingress releases", f.badQuarter},
			{"Whose failure is it?", f.whose},
			{"One identity, made before the cluster, that both teams can review", f.identityFirst},
			{"The cluster is redeployed with it, and without a password", f.redeploy},
			{"What does it still lack?", f.mend},
			{"The next quarter, with a check before every release", f.goodQuarter},
			{"What the reviewers see", f.review},
		}
	},
}

// freight is the freight company: its people, its estate, and what was counted.
type freight struct {
	*Stage
	network, platform *person  // Owners of a subscription each
	old               *person  // the old automation
	reader            *person  // what the pipeline checks with
	release           azure.ID // identity that the pipeline deploys with

	Hub, Spoke, Identities azure.ID // resource groups
	Subnet, Routes         azure.ID
	Registry, Identity     azure.ID
	Control                azure.PrincipalID // of the identity
	prod                   *cluster

	before           azure.PrincipalID // who was refused in the first quarter
	explained, tied  int               // refusals that explain found in it, and those of that principal
	failed, released int               // ingress releases
	retired          int               // how many had been released when the old automation was disabled
	slowest          time.Duration     // of the checks before a release
}

// services come one with each release.
var services = []string{"web", "tracking", "rates", "docks", "customs", "billing"}

const (
	fortnight = 14 * day
	quarter   = "2160h" // 90 days
)

func (f *freight) place() error {
	if len(f.Azure.Subscriptions) < 2 {
		return fmt.Errorf("the local Azure has %d subscriptions instead of two", len(f.Azure.Subscriptions))
	}
	platform, hub := azure.SubscriptionID(f.Azure.Subscriptions[0].ID), azure.SubscriptionID(f.Azure.Subscriptions[1].ID)
	f.Hub, f.Spoke, f.Identities = hub.Join("resourceGroups", "rg-hub"), platform.Join("resourceGroups", "rg-platform"), platform.Join("resourceGroups", "rg-identities")
	f.Routes = f.Hub.Resource("Microsoft.Network/routeTables", "rt-aks")
	f.Subnet = f.Hub.Resource(typeSubnet, "vnet-hub", "snet-aks")
	f.Registry = f.Spoke.Resource(typeRegistry, "freightacr")
	f.Identity = f.Identities.Resource(typeIdentity, "id-freight-aks")
	f.release = f.Identities.Resource(typeIdentity, "id-freight-release")
	return nil
}

func (f *freight) people(ctx context.Context) (err error) {
	hub, platform := azure.SubscriptionID(f.Hub.Subscription()), azure.SubscriptionID(f.Spoke.Subscription())
	if f.network, err = f.team(ctx, "network-team", "Owner", hub); err != nil {
		return err
	}
	if f.platform, err = f.team(ctx, "platform-team", "Owner", platform); err != nil {
		return err
	}
	if f.reader, err = f.team(ctx, "release-check", "Reader", hub, platform); err != nil {
		return err
	}
	f.old, err = f.team(ctx, "freight-pipeline", "Contributor", hub, platform)
	return err
}

func (f *freight) networks(ctx context.Context) error {
	return f.build(ctx, f.network,
		resource{f.Hub, doc{}},
		resource{f.Routes, doc{"properties": doc{}}},
		resource{f.Subnet.Parent(), doc{"properties": doc{
			"addressSpace": doc{"addressPrefixes": []string{"10.10.0.0/16"}},
			"subnets": []doc{{"name": f.Subnet.Name(), "properties": doc{
				"addressPrefix": "10.10.1.0/24", "routeTable": doc{"id": f.Routes.String()},
			}}},
		}}},
	)
}

func (f *freight) platforms(ctx context.Context) error {
	return f.build(ctx, f.platform,
		resource{f.Spoke, doc{}},
		resource{f.Registry, doc{"sku": doc{"name": "Standard"}, "properties": doc{}}})
}

// body is the cluster in the hub's subnet.
func (f *freight) body(network, identity doc) doc {
	return doc{"identity": identity, "properties": doc{
		"dnsPrefix": "freight-prod", "networkProfile": network,
		"agentPoolProfiles": []doc{{"name": "system", "mode": "System", "count": 3, "vmSize": "Standard_D4s_v5", "osType": "Linux", "type": "VirtualMachineScaleSets", "vnetSubnetID": f.Subnet.String()}},
	}}
}

// kubenet is the network of a cluster whose routes stand in the hub's route table.
func (f *freight) kubenet() doc {
	return doc{"networkPlugin": "kubenet", "podCidr": "10.244.0.0/16", "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10"}
}

func userAssignedIdentity(id azure.ID) doc {
	return doc{"type": "UserAssigned", "userAssignedIdentities": doc{id.String(): doc{}}}
}

func (f *freight) clusterID() azure.ID {
	return f.Spoke.Resource(typeCluster, "freight-prod")
}

func (f *freight) setUp(ctx context.Context) error {
	if err := f.place(); err != nil {
		return err
	}
	if err := f.people(ctx); err != nil {
		return err
	}
	if err := f.networks(ctx); err != nil {
		return err
	}
	f.who("network team", "Owner of subscription Hub: %s with subnet %s and route table %s", f.Hub.Name(), f.Subnet.Name(), f.Routes.Name())
	if err := f.platforms(ctx); err != nil {
		return err
	}
	f.who("platform team", "Owner of subscription Platform: %s with registry %s", f.Spoke.Name(), f.Registry.Name())
	f.who("old automation", "service principal freight-pipeline with a secret, Contributor on both subscriptions")
	var err error
	f.prod, err = f.create(ctx, f.old, f.clusterID(), f.body(doc{"networkPlugin": "azure", "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10"}, doc{"type": "SystemAssigned"}))
	if err != nil {
		return err
	}
	f.works("freight-pipeline has created freight-prod in the network team's subnet, with a system-assigned identity")
	f.who("control plane", "freight-prod, principal %s", f.prod.control)
	return nil
}

func (f *freight) badQuarter(ctx context.Context) error {
	f.say("Each release needs an address in the subnet for one more service. The cluster asks for it, with its own identity:")
	for i := range services {
		if err := f.advance(ctx, fortnight); err != nil {
			return err
		}
		answer, err := refusal(f.expose(ctx, f.prod, f.Subnet, services[:i+1]...), http.StatusForbidden, "LinkedAuthorizationFailed")
		if err != nil {
			return err
		}
		if f.failed++; f.failed == 1 {
			f.Line(Line{Kind: Refused, Status: answer.Status, Code: answer.Code, Text: answer.Message})
		}
	}
	f.say("That was release 1 (%s). Releases 2 to %d in the weeks after it ended in the same way.", services[0], f.failed)
	return nil
}

func (f *freight) whose(ctx context.Context) error {
	f.say("Kubernetes only says that the service stays pending. The activity log knows who was refused, and aksid what that means:")
	if _, err := f.aksid(ctx, run{args: f.explainQuarter()}); err != nil {
		return err
	}
	refused, tied, err := f.refusals(ctx, f.prod.control, 0)
	if err != nil {
		return err
	}
	f.explained, f.tied, f.before = refused, tied, f.prod.control
	f.say("And what would break next? The release pipeline asks, as a principal that may only read:")
	_, err = f.aksid(ctx, run{args: []string{"check", "freight-prod", "--registry", "freightacr"}, as: f.reader, want: 1})
	return err
}

// explainQuarter is the command that explains the refusals of the last 90 days.
func (f *freight) explainQuarter() []string {
	return []string{"explain", "--activity-log", "--since", quarter}
}

// refusals counts what was refused in the last 90 days, and how much of that to a principal. explain ends with 1 if there is nothing.
func (f *freight) refusals(ctx context.Context, to azure.PrincipalID, want int) (all, tied int, err error) {
	out, err := f.quietly(ctx, run{args: append(f.explainQuarter(), "-o", "json"), want: want})
	if err != nil {
		return 0, 0, err
	}
	return refusals(out, to)
}

// refusals counts what explain -o json has found, and how much of that by a principal.
func refusals(out string, by azure.PrincipalID) (all, tied int, err error) {
	var read struct {
		Failures []struct {
			Count    int
			Identity struct{ PrincipalID azure.PrincipalID }
		}
	}
	if err := json.Unmarshal([]byte(out), &read); err != nil {
		return 0, 0, err
	}
	for _, x := range read.Failures {
		if all += x.Count; x.Identity.PrincipalID == by {
			tied += x.Count
		}
	}
	return all, tied, nil
}

func (f *freight) identityFirst(ctx context.Context) (err error) {
	if err := f.build(ctx, f.platform, resource{f.Identities, doc{}}); err != nil {
		return err
	}
	if f.Control, _, err = f.userAssigned(ctx, f.platform, f.Identity); err != nil {
		return err
	}
	f.changed("platform team: identity %s in the shared group %s, principal %s", f.Identity.Name(), f.Identities.Name(), f.Control)
	f.say("What will that identity lack where freight-prod works today?")
	before := "migrate-to-user-assigned=" + f.Identity.String()
	if _, err := f.aksid(ctx, run{args: []string{"check", "freight-prod", "--before", before}, as: f.reader, want: 1}); err != nil {
		return err
	}
	if err := f.routeLogs(ctx); err != nil {
		return err
	}
	f.say("The subnet is the network team's. The platform team cannot help itself:")
	if err := f.refused(f.grant(ctx, f.platform, "Network Contributor", f.Control, f.Subnet), http.StatusForbidden, "AuthorizationFailed"); err != nil {
		return err
	}
	if err := f.askLogs(ctx); err != nil {
		return err
	}
	for _, scope := range []azure.ID{f.Subnet, f.Routes} {
		if err := f.grant(ctx, f.network, "Network Contributor", f.Control, scope); err != nil {
			return err
		}
		f.changed("network team: Network Contributor on %s alone, for %s", scope.Name(), f.Identity.Name())
	}
	return nil
}

func (f *freight) workspace() azure.ID {
	return f.Identities.Resource("Microsoft.OperationalInsights/workspaces", "log-freight")
}

// routeLogs sends the activity log of the network team's subscription to Log Analytics.
func (f *freight) routeLogs(ctx context.Context) error {
	workspace := f.workspace()
	if err := f.build(ctx, f.platform, resource{workspace, doc{"properties": doc{}}}); err != nil {
		return err
	}
	if err := f.grant(ctx, f.platform, "Log Analytics Contributor", f.network.id, workspace); err != nil {
		return err
	}
	setting := azure.SubscriptionID(f.Hub.Subscription()).Resource("Microsoft.Insights/diagnosticSettings", "to-log-freight")
	err := f.put(ctx, f.network, setting, doc{"properties": doc{"workspaceId": workspace.String(), "logs": []doc{{"category": "Administrative", "enabled": true}}}}, nil)
	if err == nil {
		f.changed("network team: the activity log of subscription Hub goes to Log Analytics, workspace %s", workspace.Name())
	}
	return err
}

// askLogs asks Log Analytics who was refused.
func (f *freight) askLogs(ctx context.Context) error {
	const query = `AzureActivity | where ActivityStatusValue == "Failure" | project Caller, OperationNameValue`
	var answer struct {
		Tables []struct{ Rows [][]string }
	}
	path := f.workspace().Join("query").String() + "?api-version=2017-10-01"
	if err := f.call(ctx, f.network, http.MethodPost, path, doc{"query": query}, &answer); err != nil {
		return err
	}
	if len(answer.Tables) != 1 || len(answer.Tables[0].Rows) != 1 || answer.Tables[0].Rows[0][0] != f.platform.id.String() {
		return fmt.Errorf("log analytics should tell of one refusal, to %s, but: %v", f.platform.id, answer.Tables)
	}
	row := answer.Tables[0].Rows[0]
	f.say("The network team sees it in Log Analytics, by the exact principal:")
	f.who("query", "%s", query)
	f.who("answer", "%s (%s): %s", row[0], f.names[f.platform.id], row[1])
	return nil
}

// redeploy replaces the cluster: a pipeline with a managed identity of its own makes the new one.
func (f *freight) redeploy(ctx context.Context) error {
	deployer, _, err := f.userAssigned(ctx, f.platform, f.release)
	if err != nil {
		return err
	}
	for _, g := range []struct {
		by    *person
		role  string
		scope azure.ID
	}{{f.platform, "Contributor", f.Spoke}, {f.platform, "Managed Identity Operator", f.Identity}, {f.network, "Network Contributor", f.Subnet}} {
		if err := f.grant(ctx, g.by, g.role, deployer, g.scope); err != nil {
			return err
		}
	}
	f.changed("the pipeline deploys as the managed identity %s, which has no password", f.release.Name())
	if err := f.delete(ctx, f.platform, f.prod); err != nil {
		return err
	}
	if f.prod, err = f.create(ctx, machine(f.release), f.clusterID(), f.body(f.kubenet(), userAssignedIdentity(f.Identity))); err != nil {
		return err
	}
	f.works("freight-prod is redeployed, with %s as its control plane's identity", f.Identity.Name())
	return nil
}

func (f *freight) mend(ctx context.Context) error {
	if _, err := f.aksid(ctx, run{args: []string{"check", "freight-prod", "--registry", "freightacr"}, as: f.reader, want: 1}); err != nil {
		return err
	}
	if err := f.refused(f.pull(ctx, f.prod, f.Registry, "freight/web"), http.StatusUnauthorized, "UNAUTHORIZED"); err != nil {
		return err
	}
	f.say("The registry is the platform team's:")
	_, err := f.aksid(ctx, run{args: []string{"fix", "freight-prod", "--registry", "freightacr", "--apply", "--yes"}, as: f.platform})
	return err
}

func (f *freight) goodQuarter(ctx context.Context) error {
	if err := f.advance(ctx, 7*day); err != nil { // so that the last quarter's failures are older than this one's releases
		return err
	}
	for i := range services {
		if err := f.advance(ctx, fortnight); err != nil {
			return err
		}
		if err := f.releaseNumber(ctx, i); err != nil {
			return err
		}
		if i+1 == cleanCycles {
			if err := f.retire(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// cleanCycles is after how many releases without a failure the old automation is disabled.
const cleanCycles = 2

// releaseNumber checks and makes a release. Only the first is told in full.
func (f *freight) releaseNumber(ctx context.Context, i int) error {
	check := run{args: []string{"check", "freight-prod", "--before", "ingress"}, as: f.reader}
	began, ask := f.Now(), f.quietly
	if i == 0 {
		ask = f.aksid
	}
	if _, err := ask(ctx, check); err != nil {
		return err
	}
	f.slowest = max(f.slowest, f.Now().Sub(began))
	err := f.expose(ctx, f.prod, f.Subnet, services[:i+1]...)
	if err == nil {
		err = f.pull(ctx, f.prod, f.Registry, "freight/"+services[i])
	}
	if err != nil {
		return fmt.Errorf("release %d (%s): %w", i+1, services[i], err)
	}
	f.released++
	f.works("release %d (%s): checked, its image pulled, its address in %s", i+1, services[i], f.Subnet.Name())
	return nil
}

// retire disables the old automation, once nothing was heard of it.
func (f *freight) retire(ctx context.Context) error {
	calls, err := f.callsOf(ctx, f.old.id, cleanCycles*fortnight)
	if err != nil {
		return err
	}
	if calls > 0 {
		return fmt.Errorf("%s still made %d calls", f.old.name, calls)
	}
	f.say("After %d clean release cycles the activity logs of both subscriptions hold nothing that freight-pipeline did. It is disabled, and its Contributor on two subscriptions goes:", cleanCycles)
	if err := f.call(ctx, f.operator(), http.MethodPatch, "/v1.0/servicePrincipals/"+f.old.id.String(), doc{"accountEnabled": false}, nil); err != nil {
		return err
	}
	f.retired = f.released
	f.changed("freight-pipeline is disabled")
	err = f.revoke(ctx, f.operator(), func(a assignment) bool { return a.Properties.PrincipalID == f.old.id })
	if err != nil {
		return err
	}
	_, err = f.Azure.Token(ctx, f.old.credential)
	return f.refused(err, http.StatusBadRequest, "unauthorized_client")
}

// callsOf counts what the activity logs hold of a caller.
func (f *freight) callsOf(ctx context.Context, who azure.PrincipalID, within time.Duration) (int, error) {
	n := 0
	for _, sub := range f.Azure.Subscriptions {
		events, err := f.activity(ctx, sub.ID, fmt.Sprintf("eventTimestamp ge '%s' and caller eq '%s'", f.now().Add(-within).UTC().Format(time.RFC3339), who))
		if err != nil {
			return 0, err
		}
		n += len(events)
	}
	return n, nil
}

func (f *freight) review(ctx context.Context) error {
	if _, err := f.aksid(ctx, run{args: []string{"check", "freight-prod", "--registry", "freightacr"}, as: f.reader}); err != nil {
		return err
	}
	f.say("And the refusals of this quarter:")
	if _, err := f.aksid(ctx, run{args: f.explainQuarter(), want: 1}); err != nil {
		return err
	}
	refused, _, err := f.refusals(ctx, f.prod.control, 1)
	if err != nil {
		return err
	}
	f.measure(Figure{
		Name: "ingress releases that failed for want of a right, a quarter", Case: "six → zero",
		Here: fmt.Sprintf("%d → %d", f.failed, refused), How: "releases refused, and refusals in the activity log of the last 90 days",
		Holds: f.failed == len(services) && refused == 0,
	})
	f.measure(Figure{
		Name: "failures tied to the exact principal", Case: "instead of guessed from Kubernetes events",
		Here: fmt.Sprintf("%d of %d to %s", f.tied, f.explained, f.before), How: "aksid explain --activity-log, principal by principal",
		Holds: f.tied == f.explained && f.explained == f.failed,
	})
	if err := f.measureRights(ctx); err != nil {
		return err
	}
	f.measure(Figure{
		Name: "validation of the identity before a release", Case: "under three minutes",
		Here: f.slowest.Round(10 * time.Millisecond).String(), How: "the slowest of the checks before the six releases",
		Holds: f.slowest < 3*time.Minute,
	})
	return f.measureSecrets(ctx)
}

// measureRights counts the rights of the cluster, and of the automation that had them before.
func (f *freight) measureRights(ctx context.Context) error {
	all, err := f.assignments(ctx)
	if err != nil {
		return err
	}
	scoped, high, left := 0, 0, 0
	for _, a := range all {
		switch p := a.Properties.PrincipalID; {
		case p == f.old.id:
			left++
		case p != f.prod.control && p != f.prod.kubelet.ObjectID:
		case a.high():
			high++
		default:
			scoped++
		}
	}
	f.measure(Figure{
		Name: "role assignments of the cluster's identities", Case: "four scoped ones, instead of Contributor on two subscriptions",
		Here: fmt.Sprintf("%d scoped, %d on a subscription; %d left of the old automation's", scoped, high, left),
		How:  "the role assignments of both subscriptions", Holds: scoped == 4 && high == 0 && left == 0,
	})
	return nil
}

// measureSecrets counts what has to be rotated.
func (f *freight) measureSecrets(ctx context.Context) error {
	var c struct {
		Properties struct {
			ServicePrincipal struct{ ClientID string } `json:"servicePrincipalProfile"`
		}
	}
	if err := f.get(ctx, f.platform, f.prod.id, &c); err != nil {
		return err
	}
	token, err := f.operator().token(ctx, f.Stage)
	if err != nil {
		return err
	}
	if err := f.Azure.RemoveSecret(ctx, token, f.old.id, f.old.secret); err != nil {
		return err
	}
	var old struct{ PasswordCredentials []json.RawMessage }
	if err := f.call(ctx, f.operator(), http.MethodGet, "/v1.0/servicePrincipals/"+f.old.id.String()+"?$select=passwordCredentials", nil, &old); err != nil {
		return err
	}
	byIdentity := c.Properties.ServicePrincipal.ClientID == "msi"
	f.measure(Figure{
		Name: "secrets to rotate for the cluster and its provisioning", Case: "eliminated from the quarterly calendar",
		Here: fmt.Sprintf("%d", len(old.PasswordCredentials)), How: "the secrets of freight-pipeline; the cluster and its pipeline have managed identities",
		Holds: len(old.PasswordCredentials) == 0 && byIdentity,
	})
	f.measure(Figure{
		Name: "clean release cycles before the old principal was disabled", Case: "two, and nothing broke",
		Here: fmt.Sprintf("%d, and %d releases after it", f.retired, f.released-f.retired), How: "releases that were checked, got their address and pulled their image",
		Holds: f.retired == cleanCycles && f.released == len(services),
	})
	return nil
}
