"""A Modbus server of pymodbus 3.0 to test against. By hand: python3 test/e2e/modbus-peer.py tcp 5020, or: python3 test/e2e/modbus-peer.py rtu /dev/ttyUSB0"""

import asyncio
import struct
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartTcpServer
from pymodbus.server.async_io import ModbusSerialServer
from pymodbus.transaction import ModbusRtuFramer


def words(layout, value):
    data = struct.pack(">" + layout, value)
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


holding = words("f", 123.456) + words("f", 123.456)[::-1] + words("h", -2) + words("I", 70000) + words("d", 3.141592653589793)
inputs = words("h", -415) + words("h", -9999) + [i for i in range(200)]
device = ModbusSlaveContext(
    co=ModbusSequentialDataBlock(0, [1, 0, 0, 1, 1, 0, 0, 0, 0, 1]),
    di=ModbusSequentialDataBlock(0, [0, 1]),
    hr=ModbusSequentialDataBlock(0, holding),
    ir=ModbusSequentialDataBlock(0, inputs),
    zero_mode=True,
)
context = ModbusServerContext(slaves={5: device}, single=False)


async def serve_line(port):
    server = ModbusSerialServer(context, ModbusRtuFramer, port=port, baudrate=19200)
    await server.start()
    print("listening", flush=True)
    await server.serve_forever()


kind, where = sys.argv[1:]
if kind == "tcp":
    StartTcpServer(context=context, address=("127.0.0.1", int(where)))
else:
    asyncio.run(serve_line(where))
