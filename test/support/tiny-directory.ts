import { createServer, type AddressInfo, type Socket } from 'node:net';
import { BerReader, BerWriter } from 'ldapts';

const PERSON = 'uid=ada,ou=people,dc=example,dc=net';
const BIND = 0x60;
const UNBIND = 0x42;
const SEARCH = 0x63;
const INVALID_CREDENTIALS = 49;

/** A directory of one person, `ada`, for tests that are not about directories. It lets anybody search. Returns its URL. */
export async function startTinyDirectory(password: string): Promise<string> {
  const server = createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.unref();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (let size = sizeOf(received); size !== undefined && received.length >= size; size = sizeOf(received)) {
        answer(socket, received.subarray(0, size), password);
        received = received.subarray(size);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  // A server that listens on TCP has an address and a port.
  return `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Of the first message, head included; undefined while its length has not arrived. */
function sizeOf(bytes: Buffer): number | undefined {
  const first = bytes[1];
  if (first === undefined || bytes.length < 2 + (first < 0x80 ? 0 : first & 0x7f)) return undefined;
  return first < 0x80 ? 2 + first : 2 + (first & 0x7f) + bytes.readUIntBE(2, first & 0x7f);
}

function answer(socket: Socket, message: Buffer, password: string): void {
  const reader = new BerReader(message);
  reader.readSequence();
  const id = reader.readInt() ?? 0;
  switch (reader.peek() ?? UNBIND) {
    case UNBIND:
      socket.end();
      return;
    case BIND: {
      reader.readSequence(BIND);
      reader.readInt();
      const dn = reader.readString() ?? '';
      const given = reader.readString(0x80) ?? '';
      socket.write(result(id, 0x61, dn === '' || (dn === PERSON && given === password) ? 0 : INVALID_CREDENTIALS));
      return;
    }
    case SEARCH: {
      // The value of an equality match stands in the message as it is: 04, its length, its bytes.
      if (message.includes(Buffer.from('\x04\x03uid\x04\x03ada')) || !message.includes('uid')) socket.write(person(id));
      socket.write(result(id, 0x65, 0));
      return;
    }
    default:
      socket.destroy();
  }
}

function result(id: number, tag: number, code: number): Buffer {
  return messageOf(id, tag, (writer) => {
    writer.writeEnumeration(code);
    writer.writeString('');
    writer.writeString('');
  });
}

function person(id: number): Buffer {
  return messageOf(id, 0x64, (writer) => {
    writer.writeString(PERSON);
    writer.startSequence();
    for (const [name, value] of Object.entries({ uid: 'ada', cn: 'Ada', entryUUID: '01890000-0000-7000-8000-0000000000ad' })) {
      writer.startSequence();
      writer.writeString(name);
      writer.startSequence(0x31);
      writer.writeString(value);
      writer.endSequence();
      writer.endSequence();
    }
    writer.endSequence();
  });
}

function messageOf(id: number, tag: number, write: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(tag);
  write(writer);
  writer.endSequence();
  writer.endSequence();
  return writer.buffer;
}
