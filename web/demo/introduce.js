// @ts-check
/** The page without a server: invites, or answers, and then talks. */

import { answer, invite } from '/manual.js'
import { carry, onReply } from './carry.js'
import { button, element } from './dom.js'
import { complain, say, settleAll } from './notice.js'
import { scan } from './scan.js'
import { talk } from './talk.js'

/** @import { Call } from '/manual.js' */

const form = element('answer', HTMLFormElement)
const given = element('invitation', HTMLTextAreaElement)
const stun = element('stun', HTMLInputElement)

/** @type {Call | undefined} */
let call

button('invite').onclick = () => void begin(inviteSomebody)
form.onsubmit = (event) => {
  event.preventDefault()
  void begin(() => answerIt(given.value))
}
button('scan-invitation').onclick = () =>
  scan('i', (text) => {
    given.value = text
    void begin(() => answerIt(text))
  })
button('again').onclick = () => {
  call?.close()
  startAgain('Invite somebody, or answer an invitation.')
}

// A link to the page may hold an invitation, which no server gets to see: browsers keep what follows the # to themselves.
if (location.hash.includes('aldis')) {
  given.value = decodeURIComponent(location.hash.slice(1))
  void begin(() => answerIt(given.value))
}

/** @param {() => Promise<void>} run */
async function begin(run) {
  if (!stun.reportValidity()) return
  settleAll()
  button('invite').disabled = true
  say('Looking for the addresses of this device …', 'busy')
  try {
    await run()
  } catch (error) {
    startAgain('Nobody is connected.')
    complain('call', error)
  } finally {
    button('invite').disabled = false
  }
}

async function inviteSomebody() {
  const invitation = await invite(options())
  watch(invitation)
  show('carry')
  carry('Give this to the other side', invitation.text, 'invitation')
  say('Waiting for their reply.')
  onReply(async (text) => {
    settleAll()
    say('Connecting …', 'busy')
    try {
      await invitation.accept(text)
    } catch (error) {
      if (invitation.state === 'connecting') say('Waiting for their reply.')
      complain('reply', error)
    }
  })
}

/** @param {string} text */
async function answerIt(text) {
  const reply = await answer(text, options())
  watch(reply)
  show('carry')
  carry('Give this back to them', reply.text, 'reply')
  say('Waiting until they have taken your reply.')
}

function options() {
  return { iceServers: stun.value === '' ? [] : [{ urls: stun.value }] }
}

/** @param {Call} made */
function watch(made) {
  call = made
  talk(made)
  made.on('state', ({ state, reason }) => {
    if (made !== call) return
    if (state === 'connected') {
      show('call')
      say('Connected. No server has any part in it.', 'good')
    } else if (state === 'interrupted') {
      say('Nothing comes through at the moment.', 'busy')
    } else {
      startAgain(reason ?? 'The call has ended.')
    }
  })
}

/** @param {string} words */
function startAgain(words) {
  show('start')
  say(words)
}

/** @param {'start' | 'carry' | 'call'} what */
function show(what) {
  for (const part of ['start', 'carry', 'call']) element(part, HTMLDivElement).hidden = part !== what
  // What had the focus is gone.
  if (what === 'call') element('text', HTMLInputElement).focus()
  if (what === 'carry') element('mine-title', HTMLHeadingElement).focus()
  if (what === 'start') button('invite').focus()
}
