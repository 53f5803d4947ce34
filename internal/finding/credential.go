package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/plain"
)

// WorkloadID is the id of the rule for service accounts whose pods get no tokens.
const WorkloadID = "workload-without-credential"

var workloadWithoutCredential = Rule{
	ID:    WorkloadID,
	Title: "A service account names an identity that does not trust it",
	Why: "The pods' tokens name the cluster's issuer and the service account. Entra exchanges them only where a federated credential of the " +
		"identity says just these, letter by letter; a cluster that is built anew has another issuer.",
	Source:   "workload-identity-overview, workload-identity-federation",
	Severity: Error,
	Run: func(p *Pass) {
		for _, o := range p.Estate.Kube(p.Cluster).Of("ServiceAccount") {
			if o.ClientAnnotation() != "" {
				p.reportWorkload(o)
			}
		}
	},
}

// reportWorkload looks for what lets a service account act as the identity that it names.
func (p *Pass) reportWorkload(o estate.KubeObject) {
	client, err := azure.ParseGUID(o.ClientAnnotation())
	f := Finding{Title: NoTokens(o), Scope: p.Cluster.ID}
	if err != nil {
		f.Detail = fmt.Sprintf("its annotation azure.workload.identity/client-id is %q, which is no client id", plain.Short(o.ClientAnnotation()))
		p.Report(f)
		return
	}
	if slices.ContainsFunc(p.Identities, func(i estate.Identity) bool { return i.Client == client }) {
		return // workload-as-infrastructure speaks of it
	}
	if id, ok := p.Estate.WithClient(client); ok {
		p.reportTrust(o, id, f)
		return
	}
	if name, ok := p.withPrincipal(client); ok {
		f.Detail = fmt.Sprintf("its annotation is the object id of %s; it takes the client id (AADSTS700016)", name)
		p.Report(f)
	} else if _, known := p.Estate.Object(client); known == estate.Absent {
		f.Detail = fmt.Sprintf("nothing in the directory has the client id %s that its annotation names (AADSTS700016)", client)
		p.Report(f)
	}
}

// NoTokens is what becomes of a service account that no identity trusts.
func NoTokens(o estate.KubeObject) string {
	return fmt.Sprintf("pods of service account %s get no tokens", o)
}

// Trust has an identity trust a service account of a cluster.
func Trust(c *estate.Cluster, identity azure.ID, o estate.KubeObject) estate.Change {
	return estate.Federate{
		Identity: identity, Name: credentialName(c.ID.Name(), o), Issuer: c.Text("properties.oidcIssuerProfile.issuerURL"), Subject: o.Subject(),
	}
}

// withPrincipal is the name of the identity with an object id.
func (p *Pass) withPrincipal(id azure.GUID) (string, bool) {
	for _, r := range p.Estate.Resources(estate.TypeIdentity) {
		if strings.EqualFold(r.Text("properties.principalId"), id.String()) {
			return r.ID.Name(), true
		}
	}
	o, known := p.Estate.Object(id)
	return o.Name, known == estate.Known && o.Type == "ServicePrincipal"
}

// reportTrust compares a service account with the federated credentials of the identity that it names.
func (p *Pass) reportTrust(o estate.KubeObject, identity azure.ID, f Finding) {
	issuer := p.Cluster.Issuer()
	subject := o.Subject()
	if !p.Estate.CredentialsKnown(identity) || issuer == "" {
		return
	}
	var here, named []estate.FederatedCredential
	for _, c := range p.Estate.FederatedCredentials(identity) {
		switch trusts, same := c.Issues(p.Cluster), c.Subject == subject; {
		case trusts && same && (len(c.Audiences) == 0 || slices.Contains(c.Audiences, estate.TokenAudience)):
			return
		case trusts:
			here = append(here, c)
		case same:
			named = append(named, c)
		}
	}
	f.Scope = identity
	switch {
	case len(named) > 0:
		f.Detail = fmt.Sprintf("federated credential %s of %s is for tokens of %s, not of this cluster (AADSTS700211)", named[0].ID.Name(), identity.Name(), p.issuerName(named[0]))
		p.told[named[0].ID.Key()] = true
	case len(here) > 0:
		f.Detail = p.otherSubjects(identity, subject, here)
	default:
		f.Detail = fmt.Sprintf("%s has no federated credential for this cluster (AADSTS70025, AADSTS700211)", identity.Name())
	}
	f.Remedy = []estate.Change{Trust(p.Cluster, identity, o)}
	p.Report(f)
}

// otherSubjects says what an identity trusts of the cluster in place of a service account.
func (p *Pass) otherSubjects(identity azure.ID, subject string, here []estate.FederatedCredential) string {
	var subjects []string
	for _, c := range here {
		if c.Subject == subject {
			return fmt.Sprintf("federated credential %s of %s is for tokens of another audience; it takes %s (AADSTS700212)", c.ID.Name(), identity.Name(), estate.TokenAudience)
		}
		if strings.EqualFold(c.Subject, subject) {
			return fmt.Sprintf("federated credential %s of %s spells the subject %s in other letters (AADSTS7002138)", c.ID.Name(), identity.Name(), c.Subject)
		}
		subjects = append(subjects, strings.TrimPrefix(c.Subject, "system:serviceaccount:"))
	}
	return fmt.Sprintf("of this cluster %s trusts %s only (AADSTS700213)", identity.Name(), list(subjects))
}

// issuerName is how a person calls who issues the tokens that a credential trusts.
func (p *Pass) issuerName(c estate.FederatedCredential) string {
	for _, x := range p.Estate.Clusters {
		if c.Issues(x) {
			return "cluster " + x.ID.Name()
		}
	}
	return "an issuer that is none of the clusters that were read, " + plain.Short(c.Issuer)
}

// credentialName names a federated credential after the cluster and the service account: letters, digits, - and _, at most 120 (ARM).
func credentialName(cluster string, o estate.KubeObject) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, cluster+"-"+o.Namespace+"-"+o.Name)
	return name[:min(len(name), 120)]
}

var credentialOfFormerCluster = Rule{
	ID:    "federated-credential-of-former-cluster",
	Title: "An identity of the cluster's workloads trusts a cluster that was not read, for a service account that it trusts of this one",
	Why: "A cluster that is built anew has another issuer. The credential for the former one is of no use, and counts towards the 20 that an " +
		"identity can have. It may as well be for a cluster that you did not ask for.",
	Source:   "workload-identity-overview",
	Severity: Note,
	Run: func(p *Pass) {
		for _, identity := range p.Estate.Trusting(p.Cluster) {
			credentials := p.Estate.FederatedCredentials(identity)
			for _, old := range credentials {
				if old.OfKubernetes() && !p.told[old.ID.Key()] && p.follows(credentials, old) {
					p.Report(Finding{
						Title:  fmt.Sprintf("%s trusts a former cluster as well, as it looks", identity.Name()),
						Detail: fmt.Sprintf("federated credential %s is for %s of %s", old.ID.Name(), strings.TrimPrefix(old.Subject, "system:serviceaccount:"), p.issuerName(old)),
						Scope:  identity, Remedy: []estate.Change{estate.Defederate{ID: old.ID}},
					})
				}
			}
		}
	},
}

// follows reports whether a credential is for no cluster that was read, and another one trusts the same service account of this cluster.
func (p *Pass) follows(all []estate.FederatedCredential, old estate.FederatedCredential) bool {
	if slices.ContainsFunc(p.Estate.Clusters, old.Issues) {
		return false
	}
	return slices.ContainsFunc(all, func(c estate.FederatedCredential) bool { return c.Subject == old.Subject && c.Issues(p.Cluster) })
}
