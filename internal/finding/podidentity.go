package finding

var podIdentity = Rule{
	ID:    "pod-identity",
	Title: "The cluster uses pod identity, which is no longer maintained",
	Why: "It intercepts the metadata service for all pods of a node, it can take the kubelet identity off the nodes, and its open source " +
		"part was archived in 2023. Workload identity takes its place.",
	Source:   "use-azure-ad-pod-identity",
	Severity: Warning,
	Run: func(p *Pass) {
		if p.Cluster.Flag("properties.podIdentityProfile.enabled") {
			p.Report(Finding{
				Title:  "pods get their identities through an interceptor that nobody maintains",
				Detail: "podIdentityProfile is enabled; move the pods to workload identity and switch it off",
				Scope:  p.Cluster.ID,
			})
		}
	},
}
