package act

// PlaneProgram is the name of the program that runs a whole control plane: kube-apiserver, kube-controller-manager, etcd.
const PlaneProgram = "aksid-kube"

// Plane is a control plane to run: the program's first line on standard input. Each later line is a list of Nodes, the
// machines that there are by then. The program ends with its input.
type Plane struct {
	Version     int     `json:"version"`
	Cluster     Cluster `json:"cluster"`
	Folder      string  `json:"folder"`      // for etcd, keys and logs; kept from run to run
	Azure       string  `json:"azure"`       // URL of Resource Manager and Entra, and of the proxy to the metadata service
	Kubelet     string  `json:"kubelet"`     // version that nodes say they run
	Host        string  `json:"host"`        // name of the API server
	ServiceCIDR string  `json:"serviceCIDR"` // of services
	Keys        Keys    `json:"keys"`
	Entra       *Entra  `json:"entra,omitempty"` // none: its tokens open nothing
}

// Entra is how an API server knows users of Entra, as AKS's does: by webhooks of the authentication and authorization APIs.
type Entra struct {
	Users  string   `json:"users"`            // URL that reviews tokens
	Access string   `json:"access,omitempty"` // URL that reviews access, by Azure RBAC; "": Kubernetes' own RBAC alone decides
	Admins []string `json:"admins,omitempty"` // object ids of groups of administrators
	Only   bool     `json:"only,omitempty"`   // local accounts are disabled
}

// Keys are what the API server shows and whom it knows. All are PEM but the tokens.
type Keys struct {
	Authority   string   `json:"authority"`   // of its certificate and its clients'
	Certificate string   `json:"certificate"` // for Host
	Key         string   `json:"key"`
	Tokens      []string `json:"tokens"`              // of administrators
	Issuer      string   `json:"issuer,omitempty"`    // URL that signs service accounts' tokens; none: one of its own
	IssuerKey   string   `json:"issuerKey,omitempty"` // RSA, PKCS #8
}

// Ready is the program's one line on standard output, once the API server answers.
type Ready struct {
	Version    int    `json:"version"`
	Kubernetes string `json:"kubernetes"`
	Addr       string `json:"addr"` // loopback address of the API server
}
