import { describe, expect, it } from 'vitest';
import { eventName, parseHeading, zoneOffsetMinutes } from '../../../../src/formats/hoboware-csv/heading.ts';

const empty = { name: '', unit: '', loggerSerial: '', sensorSerial: '', label: '' };

describe('HOBOware headings', () => {
  it.each([
    ['Temp, °C (LGR S/N: 10, SEN S/N: 20, LBL: air)', { name: 'Temp', unit: '°C', loggerSerial: '10', sensorSerial: '20', label: 'air' }],
    ['Air Temp, °C (LGR S/N: 10246226)', { name: 'Air Temp', unit: '°C', loggerSerial: '10246226' }],
    ['Temp, °F (SEN S/N: 20)', { name: 'Temp', unit: '°F', sensorSerial: '20' }],
    ['Temp, °F (LBL: inside, by the door (left))', { name: 'Temp', unit: '°F', label: 'inside, by the door (left)' }],
    ['Temp, °F ()', { name: 'Temp', unit: '°F' }],
    ['Temp, °F', { name: 'Temp', unit: '°F' }],
    ['Temp, (*C)', { name: 'Temp', unit: '(*C)' }],
    ['Temp (°C)  #9724974', { name: 'Temp', unit: '°C', sensorSerial: '9724974' }],
    ['High Range (μS/cm)  #20636185', { name: 'High Range', unit: 'μS/cm', sensorSerial: '20636185' }],
    ['Coupler Detached  #20636185', { name: 'Coupler Detached', sensorSerial: '20636185' }],
    ['Events\0 (1.0), Units (LGR S/N: 707910)', { name: 'Events (1.0)', unit: 'Units', loggerSerial: '707910' }],
    ['Temp, °C (LGR S/N: 10_duplicate)', { name: 'Temp', unit: '°C', loggerSerial: '10_duplicate' }],
    ['Pressure, Barometric, mbar', { name: 'Pressure, Barometric', unit: 'mbar' }],
    ['Host Connected (LGR S/N: 10)', { name: 'Host Connected', loggerSerial: '10' }],
    ['Temp (inside', { name: 'Temp (inside' }],
    ['inside) Temp)', { name: 'inside) Temp)' }],
    ['Tank # 3', { name: 'Tank # 3' }],
    ['#', { name: '#' }],
    ['', {}],
  ])('%j is taken apart', (text, parts) => {
    expect(parseHeading(text)).toEqual({ ...empty, ...parts });
  });

  it.each([
    ['Coupler Attached (LGR S/N: 1)', 'Coupler Attached'],
    ['Coupler Detached', 'Coupler Detached'],
    ['Host Connect', 'Host Connected'],
    ['EOF', 'End Of File'],
    ['Button Down (LGR S/N: 1)', 'Button Down'],
    ['Bad Battery (LGR S/N: 1)', 'Bad Battery'],
    ['Stopped', 'Stopped'],
    ['Koppler getrennt', 'Coupler Detached'],
    ['Koppler abgetrennt (LGR S/N: 1)', 'Coupler Detached'],
    ['Dateiende', 'End Of File'],
    ['Fin de archivo (LGR S/N: 1)', 'Fin de archivo'],
    ['Event, Event (LGR S/N: 1, SEN S/N: 1)', undefined],
    ['Temp, °C (LGR S/N: 1)', undefined],
    ['Temp (LGR S/N: 1, SEN S/N: 1)', undefined],
    ['Temp', undefined],
  ])('%j marks the event %j', (text, event) => {
    expect(eventName(parseHeading(text))).toBe(event);
  });

  it.each([
    ['Date Time, GMT-06:00', -360],
    ['Time, GMT+01:00', 60],
    ['Date Time - GMT -07:00', -420],
    ['Date Time  GMT-06 00', -360],
    ['Date Time, GMT+05:30', 330],
    ['Date Time, GMT+00:00', 0],
    ['Date Time, GMT+3', 180],
    ['Date Time, GMT+25:00', undefined],
    ['Date Time, GMT+05:75', undefined],
    ['Date Time', undefined],
    ['Date Time (EST)', undefined],
  ])('%j states an offset of %j minutes', (text, minutes) => {
    expect(zoneOffsetMinutes(text)).toBe(minutes);
  });
});
