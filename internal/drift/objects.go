package drift

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// kinds are the kinds of Kubernetes objects that are compared by name.
var kinds = []string{"Service", "StorageClass", "ServiceAccount"}

// objects compares what Kubernetes objects ask of Azure, where more than one environment has told its objects.
func (c *comparison) objects() {
	for _, kind := range kinds {
		var names []string
		asks := make([]map[string]string, len(c.sides))
		for i, s := range c.sides {
			if s == nil || len(s.e.Kube(s.c).Of(kind)) == 0 {
				continue
			}
			asks[i] = map[string]string{}
			for _, o := range s.e.Kube(s.c).Of(kind) {
				name := catalogue.Named(o)
				if asks[i][name] = catalogue.Asks(s.c, o); !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		slices.Sort(names)
		for _, name := range names {
			values := make([]string, len(c.sides))
			for i := range c.sides {
				if values[i] = asks[i][name]; asks[i] == nil {
					values[i] = Unreadable
				}
			}
			c.differ(Kubernetes, finding.Note, name, values)
		}
	}
}

// imagesElsewhere are the registries of the cluster's images that are none of Azure's: they ask for no role.
func (s *side) imagesElsewhere() string {
	kube := s.e.Kube(s.c)
	if !kube.RunsPods() {
		return Unreadable
	}
	return listed(slices.DeleteFunc(kube.ImageHosts(), func(host string) bool {
		return strings.Contains(host, ".azurecr.") || slices.ContainsFunc(s.e.Resources(estate.TypeRegistry), func(r estate.Resource) bool {
			return strings.EqualFold(s.e.LoginServer(r.ID), host)
		})
	}))
}

// accounts are the service accounts that name an identity.
func (s *side) accounts() []estate.KubeObject {
	return slices.DeleteFunc(s.e.Kube(s.c).Of("ServiceAccount"), func(o estate.KubeObject) bool { return o.ClientAnnotation() == "" })
}

// identityOf is the user-assigned identity that a service account names.
func (s *side) identityOf(o estate.KubeObject) (azure.ID, bool) {
	client, err := azure.ParseGUID(o.ClientAnnotation())
	if err != nil {
		return azure.ID{}, false
	}
	return s.e.WithClient(client)
}

// workloadActors are the identities that service accounts act as, but for those of the cluster itself.
func (s *side) workloadActors() (out []actor) {
	for _, o := range s.accounts() {
		id, ok := s.identityOf(o)
		doc, _ := s.e.Resource(id)
		principal, err := azure.ParseGUID(doc.Text("properties.principalId"))
		if !ok || err != nil || slices.ContainsFunc(s.e.Identities(s.c), func(i estate.Identity) bool { return i.Principal == principal }) {
			continue
		}
		out = append(out, actor{catalogue.Named(o), estate.Identity{Kind: estate.UserAssigned, Name: id.Name(), Resource: id, Principal: principal}, true})
	}
	return out
}

// workloads foretells which service accounts of earlier environments get no tokens in later ones, where they are not yet.
func (c *comparison) workloads() {
	for i, s := range c.sides {
		told := map[string]bool{}
		for from := range i {
			if s == nil || c.sides[from] == nil {
				continue
			}
			for _, o := range c.sides[from].accounts() {
				here := slices.ContainsFunc(s.accounts(), func(x estate.KubeObject) bool { return x.String() == o.String() })
				if name := o.String(); !told[name] && !here {
					told[name] = true
					c.foreseeWorkload(o, i, from)
				}
			}
		}
	}
}

func (c *comparison) foreseeWorkload(o estate.KubeObject, in, from int) {
	here, there := c.sides[in], c.sides[from]
	if there.c.Issuer() == "" || here.trusts(o) {
		return
	}
	b := Break{In: in, From: from, Severity: finding.Error, Rule: finding.WorkloadID, Feature: "workload identity", Title: finding.NoTokens(o)}
	identity, _ := there.identityOf(o)
	twin, found := here.twin(c.envs[in].Name, identity, c.envs[from].Name)
	switch {
	case here.c.Issuer() == "":
		b.Detail = fmt.Sprintf("%s issues no tokens for service accounts: its OIDC issuer is off", here.c.ID.Name())
	case found && here.e.CredentialsKnown(twin):
		b.Detail = fmt.Sprintf("in %s it acts as %s; %s does not trust it as one of %s", c.envs[from].Name, identity.Name(), twin.Name(), here.c.ID.Name())
		b.Remedy = []estate.Change{finding.Trust(here.c, twin, o)}
	default:
		c.unknown(in, catalogue.Named(o)+": whether an identity trusts it", "the identities of the workloads there were not read; name its service accounts with --kube")
		return
	}
	c.tell(b)
}

// trusts reports whether some identity trusts a service account of this cluster.
func (s *side) trusts(o estate.KubeObject) bool {
	return slices.ContainsFunc(s.e.Trusting(s.c), func(identity azure.ID) bool {
		return slices.ContainsFunc(s.e.FederatedCredentials(identity), func(f estate.FederatedCredential) bool {
			return f.Issues(s.c) && f.Subject == o.Subject()
		})
	})
}

// twin is the identity of this environment whose name is that of another one's but for words for environments.
func (s *side) twin(env string, of azure.ID, theirs string) (azure.ID, bool) {
	want := plainName(of.Name(), theirs)
	for _, r := range s.e.Resources(estate.TypeIdentity) {
		if want != "" && !r.ID.Equal(of) && plainName(r.ID.Name(), env) == want && strings.EqualFold(r.ID.Subscription(), s.c.ID.Subscription()) {
			return r.ID, true
		}
	}
	return azure.ID{}, false
}

// unlikeWorkloads tells of a service account that gets no tokens here as of what breaks, where one of that name does elsewhere.
func (c *comparison) unlikeWorkloads(in int, f finding.Finding) bool {
	if f.Rule.ID != finding.WorkloadID {
		return false
	}
	for from, s := range c.sides {
		if s == nil || from == in || !slices.ContainsFunc(s.accounts(), func(o estate.KubeObject) bool { return finding.NoTokens(o) == f.Title }) {
			continue
		}
		if fails := slices.ContainsFunc(s.result.Findings, func(x finding.Finding) bool { return x.Rule == f.Rule && x.Title == f.Title }); !fails {
			c.tell(Break{In: in, From: from, Now: true, Severity: f.Severity, Rule: f.Rule.ID, Title: f.Title, Detail: f.Detail, Feature: "workload identity", Remedy: f.Remedy})
			return true
		}
	}
	return false
}
