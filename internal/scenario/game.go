package scenario

import (
	"context"
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

var gameStory = Story{
	Name:  "game",
	Title: "Game launch survives cluster rebuilds",
	Case: "A multiplayer game studio repeatedly rebuilt test AKS clusters before a global launch. Each rebuild created a new identity, " +
		"causing registry pulls and disk attachments to fail during load tests.",
	Given: []string{
		"The test cluster is rebuilt eleven times. Nine load tests follow each rebuild, an hour apart; in each the nodes pull the game server's image and the world's disk is attached.",
		"The ticket that asks the platform team for the roles of a new identity takes 46 minutes.",
	},
	plot: func(s *Stage) []step {
		g := &game{Stage: s}
		return []step{
			{"A studio before its launch", g.setUp},
			{"A rebuild, and the load test after it", g.firstRebuild},
			{"It is not the nodes", g.notTheNodes},
			{"Eleven rebuilds, ninety-nine load tests", g.rebuilds},
			{"Identities first, and roles as a template that can be reviewed", g.design},
			{"Who deploys, and who does not need to", g.people},
			{"Eleven rebuilds again", g.rebuildsAgain},
			{"Before launch traffic opens", g.readiness},
		}
	},
}

// game is the studio: its people, its estate, and what was counted.
type game struct {
	*Stage
	platform  *person           // Owner of the subscription
	developer *person           // one of the group
	group     azure.PrincipalID // developers
	pipeline  *person           // deploys the launch clusters
	reader    *person           // what the pipeline checks with

	sub                               azure.ID // the subscription
	tests, launch, shared, identities azure.ID // resource groups
	registry                          azure.ID
	test                              *cluster
	planned                           launch // the test cluster as code

	before, after tally
}

// tally counts load tests.
type tally struct {
	runs, pulls, attaches int           // all, and those in which a pull or an attachment was refused
	rebuilt               int           // clusters
	slowest               time.Duration // from a rebuilt cluster to one on which all works
}

const (
	rebuilds       = 11
	runsPerRebuild = 9
	ticket         = 46 * time.Minute
	image          = "game/server"
)

func (t tally) share() float64 { return 100 * float64(t.pulls) / float64(max(t.runs, 1)) }

func (g *game) setUp(ctx context.Context) (err error) {
	g.sub = azure.SubscriptionID(g.Azure.Subscriptions[0].ID)
	for name, group := range map[string]*azure.ID{"rg-load-test": &g.tests, "rg-launch": &g.launch, "rg-shared": &g.shared, "rg-identities": &g.identities} {
		*group = g.sub.Join("resourceGroups", name)
	}
	g.registry = g.shared.Resource(typeRegistry, "gameacr")
	g.planned = g.plan("load-test", g.tests)
	if g.platform, err = g.team(ctx, "platform-team", "Owner", g.sub); err != nil {
		return err
	}
	err = g.build(ctx, g.platform, resource{g.tests, doc{}}, resource{g.launch, doc{}}, resource{g.shared, doc{}}, resource{g.identities, doc{}},
		resource{g.registry, doc{"sku": doc{"name": "Premium"}, "properties": doc{}}})
	if err != nil {
		return err
	}
	g.who("platform team", "Owner of the subscription: %s with registry %s and disk %s", g.shared.Name(), g.registry.Name(), g.planned.disk.Name())
	if g.developer, g.group, err = g.developers(ctx); err != nil {
		return err
	}
	g.who("developers", "a group with Contributor on the subscription: they rebuild the test cluster")
	if g.reader, err = g.team(ctx, "launch-check", "Reader", g.sub); err != nil {
		return err
	}
	return g.planned.prepare(ctx, g)
}

// developers are a group of people that holds Contributor, and one of them.
func (g *game) developers(ctx context.Context) (*person, azure.PrincipalID, error) {
	p, err := g.hire(ctx, g.operator(), "dev-ada")
	if err != nil {
		return nil, azure.PrincipalID{}, err
	}
	group, err := g.newGroup(ctx, "developers", p)
	if err != nil {
		return nil, group, err
	}
	return p, group, g.grantGroup(ctx, g.platform, "Contributor", group, g.sub)
}

// rebuild deletes the test cluster, if it is there, and makes it again as developers do.
func (g *game) rebuild(ctx context.Context) (err error) {
	if g.test != nil {
		if err := g.delete(ctx, g.developer, g.test); err != nil {
			return err
		}
	}
	g.test, err = g.create(ctx, g.developer, g.tests.Resource(typeCluster, "load-test"), doc{"identity": doc{"type": "SystemAssigned"}, "properties": doc{
		"dnsPrefix": "load-test", "agentPoolProfiles": []doc{gamePool()}}})
	g.before.rebuilt++
	return err
}

func (g *game) firstRebuild(ctx context.Context) error {
	if err := g.rebuild(ctx); err != nil {
		return err
	}
	g.works("dev-ada has rebuilt load-test")
	g.who("control plane", "principal %s, made with the cluster", g.test.control)
	g.who("kubelet", "principal %s, made with the cluster", g.test.kubelet.ObjectID)
	g.say("The nodes pull %s from %s:", image, g.registry.Name())
	if err := g.refused(g.pull(ctx, g.test, g.registry, image), http.StatusUnauthorized, "UNAUTHORIZED"); err != nil {
		return err
	}
	g.say("The disk %s is attached to a node:", g.planned.disk.Name())
	return g.refused(g.attach(ctx, g.test, g.planned.disk), http.StatusForbidden, "LinkedAuthorizationFailed")
}

func (g *game) notTheNodes(ctx context.Context) error {
	g.say("The reflex is to reimage the nodes. It costs minutes of everybody's time, and the registry says the same:")
	if err := g.call(ctx, g.developer, http.MethodPost, local.PathOf(g.test.scaleSet.Join("reimage")), nil, nil); err != nil {
		return err
	}
	g.changed("dev-ada: all nodes of load-test reimaged")
	if err := g.refused(g.pull(ctx, g.test, g.registry, image), http.StatusUnauthorized, "UNAUTHORIZED"); err != nil {
		return err
	}
	g.say("Compare the kubelet's client id with the roles on the registry instead:")
	if _, err := g.aksid(ctx, run{args: []string{"check", "load-test", "--subscription", "Platform", "--registry", "gameacr", "--query",
		"clusters[].identities[?role=='kubelet'].{clientId:clientId,roles:assignments[].role} | []", "--fail-on", "never"}, as: g.reader}); err != nil {
		return err
	}
	g.say("No role at all. And the disk?")
	_, err := g.aksid(ctx, run{args: g.aboutTest("check"), as: g.reader, want: 1})
	return err
}

// aboutTest are a command's arguments about the test cluster.
func (g *game) aboutTest(command string) []string {
	return []string{command, "load-test", "--subscription", "Platform", "--registry", "gameacr", "--kube", filepath.Join(g.Folder, g.planned.volumesFile())}
}

// loadTest is one run: a pull and an attachment. Whatever is refused fails it.
func (g *game) loadTest(ctx context.Context, c *cluster, disk azure.ID, t *tally) error {
	t.runs++
	err := g.pull(ctx, c, g.registry, image)
	if refusedAs(err, http.StatusUnauthorized) {
		t.pulls++
	} else if err != nil {
		return err
	}
	err = g.attach(ctx, c, disk)
	if refusedAs(err, http.StatusForbidden) {
		t.attaches++
		return nil
	} else if err != nil {
		return err
	}
	return g.detach(ctx, c)
}

func refusedAs(err error, status int) bool {
	var e *azure.Error
	return errors.As(err, &e) && e.Status == status
}

// afternoon is the load tests after a rebuild. mend is what gives the new identities their roles after the first, if anything has to.
func (g *game) afternoon(ctx context.Context, t *tally, mend func(context.Context) error) error {
	began := g.waited
	if err := g.loadTest(ctx, g.test, g.planned.disk, t); err != nil {
		return err
	}
	if mend != nil {
		if err := mend(ctx); err != nil {
			return err
		}
		retry := tally{}
		if err := g.loadTest(ctx, g.test, g.planned.disk, &retry); err != nil || retry.pulls+retry.attaches > 0 {
			return fmt.Errorf("the roles of the ticket do not mend it (%w)", err)
		}
	}
	t.slowest = max(t.slowest, g.waited-began) // the calls themselves take as long as this machine needs
	for range runsPerRebuild - 1 {
		if err := g.advance(ctx, time.Hour); err != nil {
			return err
		}
		if err := g.loadTest(ctx, g.test, g.planned.disk, t); err != nil {
			return err
		}
	}
	return g.advance(ctx, 15*time.Hour) // the next day
}

// byTicket is how roles come to a new identity from memory: after a while, by hand.
func (g *game) byTicket(ctx context.Context) error {
	if err := g.advance(ctx, ticket); err != nil {
		return err
	}
	if err := g.grant(ctx, g.platform, "AcrPull", g.test.kubelet.ObjectID, g.registry); err != nil {
		return err
	}
	return g.grant(ctx, g.platform, "Virtual Machine Contributor", g.test.control, g.planned.disk)
}

func (g *game) rebuilds(ctx context.Context) error {
	for i := range rebuilds {
		if i > 0 {
			if err := g.rebuild(ctx); err != nil {
				return err
			}
		}
		if err := g.afternoon(ctx, &g.before, g.byTicket); err != nil {
			return err
		}
	}
	g.tell("by ticket", g.before)
	g.say("And the roles of the identities that are gone are still there, held by nobody:")
	if _, err := g.aksid(ctx, run{args: g.aboutTest("check"), as: g.reader, show: 5}); err != nil {
		return err
	}
	return g.tidy(ctx)
}

// tidy takes away what rebuilt clusters have left behind.
func (g *game) tidy(ctx context.Context) error {
	_, err := g.aksid(ctx, run{args: append(g.aboutTest("fix"), "--only", "orphaned-assignment", "--apply", "--yes"), as: g.platform, show: 2})
	return err
}

// tell says what was counted.
func (g *game) tell(how string, t tally) {
	g.works("%d load tests after %d rebuilds, roles %s: %d failed at the registry (%.1f %%), %d at the disk; all worked %s after a rebuild",
		t.runs, t.rebuilt, how, t.pulls, t.share(), t.attaches, t.slowest)
}

func (g *game) design(ctx context.Context) error {
	if err := g.file("load-test/main.json", g.planned.template(g)); err != nil {
		return err
	}
	g.say("load-test/main.json makes two identities in %s and a cluster that uses them. Beside it lies what az acr show prints of the registry. What would break, if it were deployed like that?", g.identities.Name())
	if _, err := g.aksid(ctx, run{args: g.planned.arguments(g, "check"), want: 1}); err != nil {
		return err
	}
	g.say("The roles that it lacks, as modules for the review:")
	if _, err := g.aksid(ctx, run{args: g.planned.arguments(g, "fix", "-o", "bicep", "--out", filepath.Join(g.Folder, "roles"))}); err != nil {
		return err
	}
	g.say("And as an ARM template, as that compiles to, which becomes a part of main.json:")
	if err := g.planned.generate(ctx, g, g.aksid); err != nil {
		return err
	}
	g.say("Nothing of it exists yet, and aksid says what it will be like:")
	_, err := g.aksid(ctx, run{args: g.planned.arguments(g, "check")})
	return err
}

// deployer is the custom role of the pipeline: what the templates make, and nothing else.
var deployer = []string{
	typeDeployment + "/*", "Microsoft.Resources/subscriptions/resourceGroups/read", typeCluster + "/*",
	typeIdentity + "/read", typeIdentity + "/write", typeIdentity + "/assign/action",
	typeAssignment + "/read", typeAssignment + "/write", typeRegistry + "/read", typeDisk + "/read",
}

func (g *game) people(ctx context.Context) (err error) {
	if g.pipeline, err = g.hire(ctx, g.operator(), "launch-pipeline"); err != nil {
		return err
	}
	if err := g.grantCustom(ctx, g.platform, "Launch deployer", deployer, g.pipeline.id, g.sub); err != nil {
		return err
	}
	g.changed("launch-pipeline: custom role Launch deployer, what the templates make and nothing else")
	err = g.revoke(ctx, g.platform, func(a assignment) bool { return a.Properties.PrincipalID == g.group })
	if err != nil {
		return err
	}
	for _, group := range []azure.ID{g.tests, g.launch} {
		if err := g.grantGroup(ctx, g.platform, "Azure Kubernetes Service Cluster User Role", g.group, group); err != nil {
			return err
		}
		g.changed("developers: Azure Kubernetes Service Cluster User Role on %s, for kubectl; their namespaces are Kubernetes' RBAC", group.Name())
	}
	credentials := local.PathOf(g.test.id.Join("listClusterUserCredential"))
	if err := g.call(ctx, g.developer, http.MethodPost, credentials, nil, nil); err != nil {
		return err
	}
	g.works("dev-ada gets credentials for kubectl on load-test")
	g.say("To touch the cluster itself is the pipeline's business now:")
	return g.refused(g.remove(ctx, g.developer, g.test.id), http.StatusForbidden, "AuthorizationFailed")
}

func (g *game) rebuildsAgain(ctx context.Context) error {
	var roles []assignment // after the first rebuild
	for range rebuilds {
		err := g.delete(ctx, g.pipeline, g.test)
		if err != nil {
			return err
		}
		if g.test, err = g.planned.deploy(ctx, g); err != nil {
			return err
		}
		if g.after.rebuilt++; g.after.rebuilt == 1 {
			if roles, err = g.assignments(ctx); err != nil {
				return err
			}
		}
		if err := g.afternoon(ctx, &g.after, nil); err != nil {
			return err
		}
	}
	g.tell("by the template", g.after)
	now, err := g.assignments(ctx)
	if err != nil {
		return err
	}
	if len(now) != len(roles) {
		return fmt.Errorf("the template, deployed again, made %d role assignments of %d", len(now), len(roles))
	}
	g.say("The template was deployed again each time and added no role assignment: they are the identities', which stay. What the last rebuild by hand left behind goes:")
	if err := g.tidy(ctx); err != nil {
		return err
	}
	g.measure(Figure{
		Name: "load tests that failed for want of a right at the registry", Case: "11 percent → less than 1 percent",
		Here:  fmt.Sprintf("%.1f → %.1f percent (%d of %d, %d of %d)", g.before.share(), g.after.share(), g.before.pulls, g.before.runs, g.after.pulls, g.after.runs),
		How:   "each load test exchanges a token of the nodes for one that pulls",
		Holds: g.before.share() > 10.5 && g.before.share() < 11.5 && g.after.share() < 1,
	})
	g.measure(Figure{
		Name: "from a rebuilt cluster to one on which all works", Case: "46 minutes less",
		Here: fmt.Sprintf("%s → %s", g.before.slowest, g.after.slowest), How: "the local Azure's clock; the ticket's time is given",
		Holds: g.before.slowest-g.after.slowest == ticket,
	})
	return nil
}

// plan is a cluster as code, before it has roles.
func (g *game) plan(name string, group azure.ID) launch {
	return launch{name: name, group: group, disk: g.shared.Resource(typeDisk, "world-"+name)}
}

var productionClusters = []string{"game-prod-1", "game-prod-2", "game-prod-3"}

func (g *game) readiness(ctx context.Context) error {
	before := tally{}
	for _, name := range productionClusters {
		l := g.plan(name, g.launch)
		if err := l.prepare(ctx, g); err != nil {
			return err
		}
		if err := l.generate(ctx, g, g.quietly); err != nil {
			return err
		}
		c, err := l.deploy(ctx, g)
		if err != nil {
			return err
		}
		if err := g.loadTest(ctx, c, l.disk, &before); err != nil {
			return err
		}
	}
	g.works("launch-pipeline has deployed %s in the same way; their nodes pull and their disks attach: %d refused", strings.Join(productionClusters, ", "), before.pulls+before.attaches)
	if err := g.advance(ctx, day); err != nil {
		return err
	}
	g.say("Go or no go?")
	clusters := append(slices.Clone(productionClusters), "--subscription", "Platform", "--registry", "gameacr")
	if _, err := g.aksid(ctx, run{args: append(append([]string{"check"}, clusters...), "--fail-on", "warning"), as: g.reader}); err != nil {
		return err
	}
	g.say("And what the operations room keeps of it:")
	_, good, err := g.evidence(ctx, g.reader, "launch-evidence", clusters...)
	if err != nil {
		return err
	}
	g.measure(Figure{
		Name: "production clusters with identity evidence before the launch", Case: "all",
		Here: fmt.Sprintf("%d of %d, without an error or a warning", good, len(productionClusters)), How: "the report in the bundle, verified",
		Holds: good == len(productionClusters),
	})
	g.say("Who can change a production cluster?")
	whoCan := []string{"who-can", typeCluster + "/write", "--scope", g.launch.String(), "--depth", "0"}
	if _, err := g.aksid(ctx, run{args: whoCan}); err != nil {
		return err
	}
	return g.measureDevelopers(ctx)
}

// measureDevelopers counts who of the developers can change the subscription.
func (g *game) measureDevelopers(ctx context.Context) error {
	all, err := g.assignments(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, a := range all {
		if p := a.Properties.PrincipalID; (p == g.group || p == g.developer.id) && a.role() == "Contributor" {
			n++
		}
	}
	g.measure(Figure{
		Name: "developers' Contributor on the launch subscription", Case: "no developer needed it",
		Here: fmt.Sprintf("1 → %d, through %d rebuilds and the launch", n, g.after.rebuilt), How: "the role assignments of the subscription",
		Holds: n == 0 && g.after.rebuilt == rebuilds,
	})
	return nil
}
