import { describe, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { Moment, MonotonicMs, WallMs } from '../../src/core/time.ts';
import { campbellHttpDriver } from '../../src/instruments/campbell-http/driver.ts';
import type { DeviceDriver, InstrumentTransport } from '../../src/instruments/driver.ts';
import { gpsdDriver } from '../../src/instruments/gpsd/driver.ts';
import { hobolinkDriver } from '../../src/instruments/hobolink/driver.ts';
import { modbusDriver } from '../../src/instruments/modbus/driver.ts';
import type { RegisterDefinition } from '../../src/instruments/modbus/register-map.ts';
import { nmeaDriver } from '../../src/instruments/nmea/driver.ts';
import { pakbusDriver } from '../../src/instruments/pakbus/driver.ts';
import { sdi12Driver } from '../../src/instruments/sdi12/driver.ts';
import { type DriverBench, driverContract } from '../../src/simulation/driver-contract.ts';
import { GpsdReplay } from '../../src/simulation/gpsd-replay.ts';
import { HttpLogger, type HttpLoggerOptions, httpLoggerTransport } from '../../src/simulation/http-logger.ts';
import { ModbusSensor } from '../../src/simulation/modbus-sensor.ts';
import { weatherLogger } from '../../src/simulation/pakbus-weather-station.ts';
import { Sdi12Line } from '../../src/simulation/sdi12-sensor.ts';
import { configuration as hobolinkConfiguration, june, Service } from '../unit/instruments/hobolink/service.ts';
import { ManualTimer } from '../unit/instruments/http/manual-timer.ts';
import { startWallMs, VirtualInstrument } from '../unit/instruments/virtual-instrument.ts';

type Simulated = ConstructorParameters<typeof VirtualInstrument>[0];

/** A bench whose instrument lives in virtual time, a new line to it for each connection. */
function bench<C>(configuration: C, remembers: boolean, instrument: () => Simulated): DriverBench<C> {
  let line: VirtualInstrument | undefined;
  return {
    configuration,
    remembers,
    connect() {
      line = new VirtualInstrument(instrument());
      return { transport: line, timer: line };
    },
    settle: (promise) => line?.until(promise) ?? promise,
  };
}

const start = { monotonicMs: 0 as MonotonicMs, wallMs: startWallMs as WallMs };
const stage: RegisterDefinition = { name: 'Stage', kind: 'input-register', address: 0, type: 'float32', unit: 'm' };
const soil = { table: 'Soil', address: '0', command: 'M', values: [{ name: 'VWC' }, { name: 'SoilT', unit: 'degC' }] };
const fix = '{"class":"TPV","mode":3,"time":"2026-06-01T12:00:00.500Z","lat":46.5,"lon":7.5,"altHAE":1382.1}';
const sentence = '$SDDPT,3.20,0.5*63\r\n';

/** Says one NMEA sentence a second by itself. */
function sounder(): Simulated {
  let dueMs: number | undefined = 0;
  const said: { bytes: Uint8Array }[] = [];
  return {
    handle: (_input, { monotonicMs }) => {
      if (dueMs === undefined || monotonicMs < dueMs) return;
      said.push({ bytes: new TextEncoder().encode(sentence) });
      dueMs = dueMs + 1000;
    },
    poll: () => said.shift(),
    nextDeadline: () => (dueMs === undefined ? undefined : { at: dueMs as MonotonicMs, reason: 'sounding' }),
  };
}

function contractOf<C>(driver: DeviceDriver<C>, benchOf: () => DriverBench<C>): void {
  describe(driver.id, () => {
    for (const { title, run } of driverContract(driver, benchOf())) test(title, run);
  });
}

contractOf(pakbusDriver, () =>
  bench({ address: 1 }, true, () => {
    const logger = weatherLogger({ address: 1, seed: 3, records: 20, intervalSeconds: 60 }, start);
    let now: Moment = start;
    return {
      handle: (input, at) => {
        now = at;
        logger.handle(input as Parameters<typeof logger.handle>[0], at);
      },
      poll: () => logger.poll(),
      nextDeadline: () => logger.nextDeadline(now),
    };
  }),
);
contractOf(modbusDriver, () =>
  bench({ framing: 'tcp' as const, tables: [{ name: 'Weir', registers: [stage] }] }, false, () => {
    const sensor = new ModbusSensor({ framing: 'tcp', unit: 255, random: seededRandom(1) });
    sensor.set(stage, 1.25);
    return sensor;
  }),
);
contractOf(sdi12Driver, () =>
  bench({ measurements: [soil] }, false, () => {
    const sensors = [{ address: '0', identification: '14METER   TER12 100', measureSeconds: 1, values: () => ['+0.31', '+12.4'] }];
    return new Sdi12Line({ random: seededRandom(2), sensors });
  }),
);
contractOf(gpsdDriver, () => bench({ listenMs: 3000 }, false, () => new GpsdReplay({ reports: [fix] })));
contractOf(nmeaDriver, () => bench({ listenMs: 3000 }, false, sounder));

/** A bench whose instrument answers at once, a transport to it for each connection. */
function promptBench<C>(configuration: C, remembers: boolean, wallMs: number, transport: () => InstrumentTransport): DriverBench<C> {
  return {
    configuration,
    remembers,
    connect() {
      const timer = new ManualTimer();
      timer.nowMs = wallMs;
      return { transport: transport(), timer };
    },
  };
}

describe.each([
  ['over one connection', {}],
  ['over a connection an answer', { keepsOpen: false, chunks: true }],
] as [string, HttpLoggerOptions][])('%s', (_, options) => {
  for (const format of ['json', 'toa5'] as const)
    contractOf(campbellHttpDriver, () => {
      const logger = new HttpLogger(options);
      for (const name of ['Hour', 'Day']) {
        logger.define(name, [{ name: 'AirT', unit: 'Deg C', processing: 'Avg', kind: 'number' }], 10);
        for (let record = 0; record < 12; record++)
          logger.append(name, { localUs: (startWallMs + record * 60_000) * 1000, cells: ['1.5'] });
      }
      return promptBench({ format }, true, startWallMs, () => httpLoggerTransport(logger));
    });
});
contractOf(hobolinkDriver, () => {
  const service = new Service();
  service.observations.push({ second: june, value: 1 }, { second: june, sensor: '1-2', value: 2 }, { second: june + 600, value: 3 });
  return promptBench(hobolinkConfiguration, true, (june + 3600) * 1000, () => service);
});
