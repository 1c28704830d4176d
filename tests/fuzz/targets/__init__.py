"""The targets. To add one, write a module with a ``TARGET`` and name it here; nothing else needs to know it."""

from . import bodies, changes, documents, headers, key_sets, lists, signed, tokens

TARGETS = {
    module.TARGET.name: module.TARGET
    for module in (tokens, signed, headers, bodies, key_sets, lists, changes, documents)
}
