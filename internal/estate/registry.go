package estate

import (
	"strings"

	"aksid/internal/azure"
)

// TypeRegistry is the resource type of a container registry.
const TypeRegistry = "Microsoft.ContainerRegistry/registries"

// RegistryVersion is the first stable api-version that returns roleAssignmentMode. A registry read with an older one,
// or from a source that does not say, has an unknown mode unless the member is there (facts 0.4).
const RegistryVersion = "2025-11-01"

// RegistryMode says which permissions a registry honours.
type RegistryMode uint8

// A registry honours actions (RBAC), data actions (ABAC), or it is not known which.
const (
	ModeUnknown RegistryMode = iota
	ModeRBAC
	ModeABAC
)

// RegistryMode reads the mode of a registry (facts 0.4).
func (e *Estate) RegistryMode(id azure.ID) RegistryMode {
	r, known := e.Resource(id)
	if known != Known {
		return ModeUnknown
	}
	switch mode := r.Text("properties.roleAssignmentMode"); {
	case strings.EqualFold(mode, "AbacRepositoryPermissions"):
		return ModeABAC
	case strings.EqualFold(mode, "LegacyRegistryPermissions"), mode == "" && r.Version >= RegistryVersion:
		return ModeRBAC
	}
	return ModeUnknown
}

// AnonymousPull reports whether a registry hands out images to everyone.
func (e *Estate) AnonymousPull(id azure.ID) bool {
	r, _ := e.Resource(id)
	return r.Flag("properties.anonymousPullEnabled")
}

// LoginServer is the host name of a registry, or its resource's name where that is not known.
func (e *Estate) LoginServer(id azure.ID) string {
	if r, known := e.Resource(id); known == Known && r.Text("properties.loginServer") != "" {
		return r.Text("properties.loginServer")
	}
	return id.Name()
}
