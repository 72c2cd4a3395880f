"""SealedTokenField, a column with a token that is sealed and bound to its row; PlaceField."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import models

from .tokens import MAX_PLACE, Token, seal, unseal

if TYPE_CHECKING:
    _TextField = models.TextField[Any, Any]
    _CharField = models.CharField[Any, Any]
else:
    _TextField = models.TextField
    _CharField = models.CharField


class PlaceField(_CharField):
    """Stores the place of a connection: the host, or the URL, of one server of many.

    It is empty for a provider with one server. Add it to a model of your own as ``place``, and to
    the model's constraint, to store connections to places there.
    """

    #: For the storages, which do not import this module.
    is_place = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = {"max_length": MAX_PLACE, "default": "", "db_default": "", "blank": True}
        super().__init__(*args, **{**given, **kwargs})


class _Sealed(str):
    """The sealed text of a token, as the table stores it."""

    __slots__ = ()


class _RowToken(Token):
    """A token that was read from a row, with its sealed text."""

    sealed: str


@lru_cache(maxsize=64)
def _fields_of(
    model: type[models.Model], names: tuple[str, ...]
) -> tuple[models.Field[Any, Any], ...]:
    """The fields of a model with these names, as far as it has them."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    return tuple(fields[name] for name in names if name in fields)


@lru_cache(maxsize=64)
def _place_fields(model: type[models.Model]) -> tuple[models.Field[Any, Any], ...]:
    return tuple(field for field in model._meta.concrete_fields if isinstance(field, PlaceField))


class _TokenAttribute:
    """Unseals the token when it is read: earlier, the row's other fields may be missing."""

    def __init__(self, field: SealedTokenField) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__.get(self.field.attname)
        if value is None and self.field.attname not in instance.__dict__:
            # The field is deferred: load the sealed text. refresh_from_db() would need one query
            # for each field of the identity, and would set the unsealed token.
            rows = type(instance)._base_manager.using(instance._state.db).filter(pk=instance.pk)
            value = rows.values_list(self.field.attname, flat=True).get()
            instance.__dict__[self.field.attname] = value
        if isinstance(value, str) and not value:
            return None  # the token was wiped
        if isinstance(value, _Sealed):
            token = _RowToken(self.field.unsealed(value, instance))
            token.sealed = value
            return token
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class SealedTokenField(_TextField):
    """Stores a :class:`~django_dance.tokens.Token`, sealed.

    The seal is bound to the model, to the values of the fields in ``bound_to``, and to the place if
    there is one, so a sealed token that is copied to another row cannot be unsealed. If the model
    or its app is renamed, its rows cannot be read any more. An empty column is no token: the
    attribute is ``None``.

    :param bound_to: the names of fields of the model. Names that the model does not have are
        ignored.
    :raises django_dance.exceptions.SealBroken: when the attribute is read, and the token was sealed
        for another row or with another key.
    """

    descriptor_class = _TokenAttribute

    def __init__(
        self, *args: Any, bound_to: tuple[str, ...] = ("provider", "user", "account"), **kwargs: Any
    ) -> None:
        self.bound_to = tuple(bound_to)
        super().__init__(*args, **{"editable": False, **kwargs})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, {**kwargs, "bound_to": self.bound_to}

    def identity(self, instance: Any, model: Any = None) -> str:
        """Return the identity that the seal of a row is bound to.

        :param instance: an instance, or another object that has the values as attributes.
        :param model: the model of such an object.
        """
        model = model or type(instance)
        values = [
            # A key that was given as "1" and as 1 has the same text.
            str(field.to_python(getattr(instance, field.attname)))
            for field in _fields_of(model, self.bound_to)
        ]
        # Rows without a place keep the identity that they had before there were places.
        places = [str(getattr(instance, field.attname)) for field in _place_fields(model)]
        return json.dumps([model._meta.label_lower, *values, *filter(None, places)])

    def identity_columns(self, model: Any) -> list[str]:
        """Return the attributes of a row that :meth:`identity` reads."""
        return [
            field.attname for field in (*_fields_of(model, self.bound_to), *_place_fields(model))
        ]

    def unsealed(self, sealed: str, instance: Any, model: Any = None) -> dict[str, Any]:
        """Return the fields of a row's token; the parameters are those of :meth:`identity`.

        :raises django_dance.exceptions.SealBroken: no configured key opens it for this row.
        """
        identity = self.identity(instance, model)
        fields: dict[str, Any] = json.loads(unseal(sealed, purpose="token", identity=identity))
        return fields

    def sealed(self, instance: models.Model, token: Mapping[str, Any]) -> str:
        """Return the sealed token for the row of the instance, as ``update()`` accepts it."""
        identity = self.identity(instance)
        fields = token.fields_to_store if isinstance(token, Token) else dict(token)
        return _Sealed(seal(json.dumps(fields).encode(), purpose="token", identity=identity))

    def is_as_loaded(self, instance: models.Model) -> bool:
        """Whether the instance still has the token that was loaded from its row."""
        value = instance.__dict__.get(self.attname)
        return isinstance(value, _Sealed) or self.attname not in instance.__dict__

    def mark_as_loaded(self, instance: models.Model) -> None:
        """Treat a token that was read from the instance's own row as loaded, not as set."""
        value = instance.__dict__.get(self.attname)
        if isinstance(value, _RowToken):
            instance.__dict__[self.attname] = value.sealed

    def pre_save(self, instance: models.Model, add: bool) -> Any:
        value = instance.__dict__.get(self.attname)
        return self.sealed(instance, value) if isinstance(value, Mapping) else value

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the sealed text. The attribute of the instance unseals it."""
        return None if value is None else _Sealed(value)

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, _RowToken):
            return value.sealed  # loaddata writes it as it is; in another row it cannot be unsealed
        if isinstance(value, Mapping):
            raise TypeError(
                "A token is bound to its row: set it on an instance and call save(). update() and "
                "filters do not accept a token."
            )
        # A column that allows no NULL stores a wiped token as an empty text.
        return super().get_prep_value("" if value is None and not self.null else value)

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Mapping) else _Sealed(value)

    def value_to_string(self, obj: models.Model) -> str:
        """For fixtures: the sealed text, never the token."""
        return str(self.pre_save(obj, False) or "")
