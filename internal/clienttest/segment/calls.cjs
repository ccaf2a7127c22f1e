// The calls that each server-side SDK makes, so that both are held to the same.
'use strict'

// Known events, in the words that portals use.
const tracks = [
  ['Signed In', { provider: 'saml' }],
  ['Article Viewed', { article_id: 'battlecard-7', word_count: 1200, badge: 'new' }],
  ['Document Downloaded', { document_id: 'guide-3', share_method: 'button' }],
  ['Products Searched', { query: 'restore test', results_count: 4 }],
  ['Course Completed', { courseId: 'sales-101', percent_complete: 100 }],
  ['Deal Won', { opportunity_id: 'd-77', value: '12500.50', currency: 'eur' }],
]

const context = {
  groupId: 'p-0001',
  page: { url: 'https://portal.example/library?q=1', path: '/library', referrer: 'https://portal.example/', title: 'Library' },
  userAgent: 'Mozilla/5.0 (test)',
  locale: 'de-DE',
  timezone: 'Europe/Berlin',
  campaign: { name: 'spring', source: 'mail', medium: 'email' },
  screen: { width: 1920, height: 1080 },
}

// calls gives [method, message] in the order in which they are made.
exports.calls = () => [
  ['identify', { userId: 'u-17', traits: { name: 'Ann Lee', email: 'ann@partner.example', title: 'SE', partner_id: 'p-0001' } }],
  ['group', { userId: 'u-17', groupId: 'p-0001', traits: { name: 'Initech', plan: 'gold' } }],
  ...tracks.map(([event, properties]) => ['track', { userId: 'u-17', event, properties, context }]),
  ['track', { userId: 'u-17', event: 'Beta Enabled', properties: { flag: 'x' }, context }],
  ['track', { userId: 'u-17', event: 'Signed In' }], // whose partner only the group call tells
  ['page', { userId: 'u-17', name: 'Home', properties: { url: 'https://portal.example/home', path: '/home', title: 'Home' }, context }],
  ['screen', { anonymousId: 'device-1', name: 'Deals', properties: { tab: 'open' }, context }],
  ['alias', { userId: 'u-17', previousId: 'device-1' }],
]
