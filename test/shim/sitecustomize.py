"""Repairs Debian's azure-cli for the tests: Python imports this first when its folder is on PYTHONPATH.

Debian 12 ships azure-cli 2.45.0 with other versions of the Azure SDK for Python than it is written for
(azure-mgmt-authorization 3.0.0, azure-mgmt-network 23.0.0b1, azure-mgmt-compute 29.0.0, azure-mgmt-policyinsights 1.1.0b4), so that "az role", "az network",
"az vm", "az policy state summarize" and the role assignments of "az aks" fail before they send a request (Azure/azure-cli issues 20546 and 24959).
The tests use this only where a probe shows that az needs it; Microsoft's own packages do not.
"""
import functools
import importlib.abc
import importlib.machinery
import re
import sys


def repair_authorization(module):
    """Give the operation classes the config attribute that az reads, and make create() take what az aks passes."""
    for name, cls in list(vars(module).items()):
        if not name.endswith('Operations') or not isinstance(cls, type) or hasattr(cls, 'config'):
            continue
        cls.config = property(lambda self: self._config)
        if name == 'RoleAssignmentsOperations':
            cls.create = repair_create(cls.create)


def repair_create(original):
    @functools.wraps(original)  # keeps .metadata, which the SDK's profiles read
    def create(self, *args, **kwargs):
        kwargs.pop('custom_headers', None)
        args = tuple(str(a) if type(a).__name__ == 'UUID' else a for a in args)
        try:
            return original(self, *args, **kwargs)
        except Exception as ex:  # az aks compares the bare message
            error = getattr(ex, 'error', None)
            if getattr(error, 'code', '') == 'RoleAssignmentExists':
                ex.message = error.message
            raise
    return create


def repair_profiles(module):
    """Name API versions that the packaged SDKs have."""
    latest, kinds = module.AZURE_API_PROFILES['latest'], module.ResourceType
    latest[kinds.MGMT_NETWORK] = '2022-07-01'
    compute = latest[kinds.MGMT_COMPUTE].profile
    for name, version in list(compute.items()):
        if version == '2022-11-01':
            compute[name] = '2022-08-01'


def repair_policy_states(module):
    """Let summaries be asked for as az does, without naming the one kind that there is."""
    cls = module.PolicyStatesOperations
    for name in [n for n in vars(cls) if n.startswith('summarize_for_')]:
        setattr(cls, name, summarize_latest(getattr(cls, name)))


def summarize_latest(original):
    @functools.wraps(original)
    def summarize(self, *args, **kwargs):
        return original(self, 'latest', *args, **kwargs)
    return summarize


REPAIRS = [
    (re.compile(r'azure\.mgmt\.policyinsights\.operations\._policy_states_operations$'), repair_policy_states),
    (re.compile(r'azure\.mgmt\.authorization\.v\w+\.operations$'), repair_authorization),
    (re.compile(r'azure\.cli\.core\.profiles\._shared$'), repair_profiles),
]


class Finder(importlib.abc.MetaPathFinder):
    """Runs a repair right after the module that it is for."""

    def find_spec(self, name, path=None, target=None):
        for pattern, repair in REPAIRS:
            if pattern.match(name):
                return self.repaired(importlib.machinery.PathFinder.find_spec(name, path), repair)
        return None

    @staticmethod
    def repaired(spec, repair):
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            repair(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
