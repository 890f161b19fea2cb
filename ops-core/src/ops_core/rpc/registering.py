"""Where generated code adds a service to a server: its methods are wrapped on their way."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import grpc
import grpc.aio

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Registering:
    """Stands in for the server. `wrap(path, handler)` gives what answers the calls of that method."""

    def __init__(self, server: grpc.aio.Server, wrap: Callable[[str, Handler], Handler]) -> None:
        self._server: Any = server  # its published types lack the second method
        self._wrap = wrap

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """The same methods as below, as handlers that cannot be looked into."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """The methods of a service, by their names."""
        wrapped = {
            name: self._wrap(f"/{service}/{name}", handler) for name, handler in handlers.items()
        }
        generic = grpc.method_handlers_generic_handler(service, wrapped)
        self._server.add_generic_rpc_handlers((generic,))
        self._server.add_registered_method_handlers(service, wrapped)
